// The picture before and after under a line to move, with zoom and pan. Lengths on the screen are CSS pixels; the zoom
// is device pixels per image pixel, so that 100 % shows each pixel of the image as one of the screen.

const STEPS = [1 / 16, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
const MOST = STEPS.at(-1);
const SQUARE = 2; // the zoom from which the pixels are shown as squares
const SHOWN = { compare: "the line between before and after", before: "before", after: "after", difference: "the difference" };

export class Viewer {
  #stage; #layers; #split; #divider; #scale; #gain;
  #width = 0; #height = 0; #zoom = 1; #x = 0; #y = 0;
  #fitted = true; #share = 0.5; #view = "compare"; #empty = true;
  #pointers = new Map(); #drag = null; #turn = 0;

  constructor(root) {
    this.#stage = root.querySelector("#stage");
    this.#split = root.querySelector("#split");
    this.#divider = root.querySelector("#divider");
    this.#scale = root.querySelector("#scale");
    this.#gain = root.querySelector("#gain");
    this.#layers = Object.fromEntries([...root.querySelectorAll(".layer")].map(layer => [layer.dataset.layer, layer]));
    new ResizeObserver(() => this.#resized()).observe(this.#stage);
    this.#split.addEventListener("input", () => { this.#share = this.#split.value / 100; this.#draw(); });
    this.#listen(root);
    for (const button of root.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.#zoomBy(button.dataset.zoom));
    }
  }

  /**
   * Show an image. `width` and `height` are those of the image itself; pictures of other sizes are stretched to them.
   * `before`, `after` and `difference` are URLs, or left out; the last enlarges what was taken out by `gain`. What is
   * shown stays until the new pictures are decoded.
   */
  async show({ name, width, height, gain, before, after, difference }) {
    const turn = ++this.#turn;
    const wanted = { before, after, difference };
    const pictures = await Promise.all(Object.entries(wanted).map(async ([layer, url]) => {
      const shown = this.#layers[layer].firstElementChild;
      if (!url || shown.src === url) return [layer, url ? shown : null];
      const picture = new Image();
      picture.src = url;
      await picture.decode();
      return [layer, picture];
    }));
    if (turn !== this.#turn) return; // Something else was to be shown meanwhile.
    const first = pictures.find(([, picture]) => picture)?.[1];
    width ??= first?.naturalWidth ?? 0;
    height ??= first?.naturalHeight ?? 0;
    for (const [layer, picture] of pictures) this.#put(layer, picture, name);
    this.#gain.textContent = gain > 1 ? `, × ${gain}` : "";
    this.#stage.dataset.has = pictures.filter(([, picture]) => picture).map(([layer]) => layer).join(" ");
    const same = !this.#empty && width === this.#width && height === this.#height;
    [this.#width, this.#height, this.#empty] = [width, height, !first];
    if (!same) this.#fitted = true;
    if (first) this.#stage.style.setProperty("--ratio", width / height);
    this.#resized();
  }

  /** Whether there is a picture. */
  get has() { return !this.#empty; }

  /** Take the pictures away. */
  clear() {
    this.#turn++;
    for (const layer of Object.keys(this.#layers)) this.#put(layer, null, "");
    this.#stage.dataset.has = "";
    this.#empty = true;
    this.#draw();
  }

  /** Show "compare", "before", "after" or "difference". */
  set view(view) {
    this.#view = this.#stage.dataset.view = view;
    this.#stage.setAttribute("aria-label", `Picture, showing ${SHOWN[view]}`);
    this.#draw();
  }

  #put(layer, picture, name) {
    const shown = this.#layers[layer].firstElementChild;
    if (picture === shown) return;
    if (!picture) { shown.hidden = true; shown.removeAttribute("src"); shown.alt = ""; return; }
    picture.alt = layer === "difference" ? `What was taken out of ${name}` : `${name}, ${layer} denoising`;
    picture.draggable = false;
    shown.replaceWith(picture);
  }

  get #box() { return { width: this.#stage.clientWidth, height: this.#stage.clientHeight }; }

  get #fitting() {
    const { width, height } = this.#box;
    const zoom = Math.min(width / this.#width, height / this.#height) * devicePixelRatio;
    // Beyond the size that a browser shows them at, small images grow by whole numbers: their pixels stay squares.
    return zoom < Math.max(devicePixelRatio, 1) ? zoom : Math.min(Math.floor(zoom), MOST);
  }

  get #pannable() {
    const { width, height } = this.#box;
    const scale = this.#zoom / devicePixelRatio;
    return this.#width * scale > width + 0.5 || this.#height * scale > height + 0.5;
  }

  #resized() {
    if (this.#fitted && !this.#empty) this.#zoom = this.#fitting;
    this.#draw();
  }

  #zoomTo(zoom, at = null) {
    if (this.#empty) return;
    const { width, height } = this.#box;
    const point = at ?? { x: width / 2, y: height / 2 };
    const next = Math.min(Math.max(zoom, Math.min(this.#fitting, STEPS[0])), MOST);
    const grown = next / this.#zoom;
    this.#x = point.x - (point.x - this.#x) * grown;
    this.#y = point.y - (point.y - this.#y) * grown;
    this.#zoom = next;
    this.#fitted = false;
    this.#draw();
  }

  #zoomBy(how, at = null) {
    if (how === "fit") { this.#fitted = true; this.#resized(); }
    else if (how === "one") this.#zoomTo(1, at);
    else if (how === "in") this.#zoomTo(STEPS.find(step => step > this.#zoom * 1.001) ?? MOST, at);
    else this.#zoomTo(STEPS.findLast(step => step < this.#zoom * 0.999) ?? 0, at);
  }

  #panBy(x, y) { this.#x += x; this.#y += y; this.#draw(); }

  // Where the picture can be seen, as left and right edge in the stage.
  #seen() {
    const width = this.#width * this.#zoom / devicePixelRatio;
    return [Math.max(this.#x, 0), Math.min(this.#x + width, this.#box.width)];
  }

  #splitTo(x) {
    const [left, right] = this.#seen();
    this.#share = Math.min(Math.max((x - left) / (right - left), 0), 1);
    this.#draw();
  }

  #draw() {
    const { width, height } = this.#box;
    const scale = this.#zoom / devicePixelRatio;
    const [wide, high] = [this.#width * scale, this.#height * scale];
    const whole = value => Math.round(value * devicePixelRatio) / devicePixelRatio;
    const place = (at, size, room) => whole(size <= room ? (room - size) / 2 : Math.min(0, Math.max(at, room - size)));
    this.#x = place(this.#x, wide, width);
    this.#y = place(this.#y, high, height);
    const [left, right] = this.#seen();
    const line = this.#view === "compare" ? whole(left + this.#share * (right - left)) : null;
    for (const layer of Object.values(this.#layers)) {
      const style = layer.firstElementChild.style;
      [style.width, style.height] = [`${wide}px`, `${high}px`];
      style.transform = `translate(${this.#x}px, ${this.#y}px)`;
      style.imageRendering = this.#zoom >= SQUARE ? "pixelated" : "auto";
    }
    this.#layers.after.style.clipPath = line === null ? "none" : `inset(0 0 0 ${line}px)`;
    this.#divider.style.transform = `translateX(${line ?? 0}px)`;
    this.#stage.style.setProperty("--left", `${left}px`);
    this.#stage.style.setProperty("--right", `${width - right}px`);
    this.#stage.style.setProperty("--top", `${Math.max(this.#y, 0)}px`);
    this.#stage.style.setProperty("--bottom", `${Math.max(height - this.#y - high, 0)}px`);
    this.#stage.classList.toggle("pannable", this.#pannable);
    this.#stage.classList.toggle("all-after", this.#share < 0.08);
    this.#stage.classList.toggle("all-before", this.#share > 0.92);
    this.#tell();
  }

  #tell() {
    const before = Math.round(100 * this.#share);
    this.#split.value = before;
    this.#split.setAttribute("aria-valuetext", `${before} percent before, ${100 - before} percent after`);
    const percent = 100 * this.#zoom;
    this.#scale.textContent = this.#empty ? "" : `${percent < 10 ? percent.toFixed(1) : Math.round(percent)}\u2009%`;
  }

  #listen(root) {
    const stage = this.#stage;
    stage.addEventListener("pointerdown", event => this.#pressed(event));
    stage.addEventListener("pointermove", event => this.#moved(event));
    for (const end of ["pointerup", "pointercancel"]) {
      stage.addEventListener(end, event => {
        this.#pointers.delete(event.pointerId);
        this.#drag = null;
        stage.classList.remove("dragging");
      });
    }
    stage.addEventListener("wheel", event => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      this.#zoomTo(this.#zoom * 2 ** (-event.deltaY * lines / (event.ctrlKey ? 60 : 240)), this.#inside(event));
    }, { passive: false });
    stage.addEventListener("dblclick", event => this.#zoomBy(this.#fitted ? "one" : "fit", this.#inside(event)));
    root.addEventListener("keydown", event => this.#key(event));
  }

  #inside(event) {
    const box = this.#stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #pressed(event) {
    if (event.button || this.#empty) return;
    const at = this.#inside(event);
    this.#stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, at);
    const grips = this.#view === "compare" && (this.#divider.contains(event.target) || !this.#pannable);
    this.#drag = this.#pointers.size > 1 ? "pinch" : grips ? "split" : "pan";
    this.#stage.classList.toggle("dragging", this.#drag === "pan");
    if (this.#drag === "split") {
      this.#split.focus({ preventScroll: true, focusVisible: false });
      this.#splitTo(at.x);
    } else this.#stage.focus({ preventScroll: true, focusVisible: false });
    event.preventDefault();
  }

  #moved(event) {
    const old = this.#pointers.get(event.pointerId);
    if (!old || !this.#drag) return;
    const at = this.#inside(event);
    if (this.#drag === "pinch") {
      const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
      const reach = point => Math.hypot(point.x - other.x, point.y - other.y);
      if (other && reach(old) > 0) {
        this.#panBy((at.x - old.x) / 2, (at.y - old.y) / 2);
        this.#zoomTo(this.#zoom * reach(at) / reach(old), { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 });
      }
    } else if (this.#drag === "split") this.#splitTo(at.x);
    else this.#panBy(at.x - old.x, at.y - old.y);
    this.#pointers.set(event.pointerId, at);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("[type=radio]")) return;
    const zooms = { "+": "in", "=": "in", "-": "out", 0: "fit", 1: "one" };
    const step = event.shiftKey ? 200 : 50;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.key in zooms) this.#zoomBy(zooms[event.key]);
    else if (event.target === this.#stage && event.key in moves) this.#panBy(...moves[event.key]);
    else return;
    event.preventDefault();
  }
}
