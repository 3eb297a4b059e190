// An image before and after with a movable line between, with zoom and pan. Lengths on the screen are CSS pixels; the
// zoom is device pixels per image pixel, so that 100 % shows each pixel of the image as one pixel of the screen.

const STEPS = [1 / 16, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
const MAX_ZOOM = STEPS.at(-1);
const MIN_SQUARE_ZOOM = 2; // from which pixels are shown as squares
const VIEW_LABELS = { compare: "the line between before and after", before: "before", after: "after", difference: "the difference" };

export class Viewer {
  #stage; #layers; #split; #divider; #scale; #gain;
  #width = 0; #height = 0; #zoom = 1; #x = 0; #y = 0;
  #fitted = true; #splitFraction = 0.5; #view = "compare"; #empty = true;
  #pointers = new Map(); #drag = null; #generation = 0;

  constructor(root) {
    this.#stage = root.querySelector("#stage");
    this.#split = root.querySelector("#split");
    this.#divider = root.querySelector("#divider");
    this.#scale = root.querySelector("#scale");
    this.#gain = root.querySelector("#gain");
    this.#layers = Object.fromEntries([...root.querySelectorAll(".layer")].map(layer => [layer.dataset.layer, layer]));
    new ResizeObserver(() => this.#onResize()).observe(this.#stage);
    this.#split.addEventListener("input", () => { this.#splitFraction = this.#split.value / 100; this.#draw(); });
    this.#listen(root);
    for (const button of root.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.#zoomBy(button.dataset.zoom));
    }
  }

  /**
   * Show an image. `width` and `height` are those of the image itself; previews of other sizes are stretched to them.
   * `before`, `after` and `difference` are URLs or undefined; `difference` is multiplied by `gain`. The current image
   * stays until the new one is decoded.
   */
  async show({ name, width, height, gain, before, after, difference }) {
    const generation = ++this.#generation;
    const urls = { before, after, difference };
    const images = await Promise.all(Object.entries(urls).map(async ([layer, url]) => {
      const current = this.#layers[layer].firstElementChild;
      if (!url || current.src === url) return [layer, url ? current : null];
      const image = new Image();
      image.src = url;
      await image.decode();
      return [layer, image];
    }));
    if (generation !== this.#generation) return; // Another image is shown meanwhile.
    const first = images.find(([, image]) => image)?.[1];
    width ??= first?.naturalWidth ?? 0;
    height ??= first?.naturalHeight ?? 0;
    for (const [layer, image] of images) this.#put(layer, image, name);
    this.#gain.textContent = gain > 1 ? `, × ${gain}` : "";
    this.#stage.dataset.has = images.filter(([, image]) => image).map(([layer]) => layer).join(" ");
    const same = !this.#empty && width === this.#width && height === this.#height;
    [this.#width, this.#height, this.#empty] = [width, height, !first];
    if (!same) this.#fitted = true;
    if (first) this.#stage.style.setProperty("--ratio", width / height);
    this.#onResize();
  }

  /** Whether an image is shown. */
  get hasImage() { return !this.#empty; }

  /** Remove the image. */
  clear() {
    this.#generation++;
    for (const layer of Object.keys(this.#layers)) this.#put(layer, null, "");
    this.#stage.dataset.has = "";
    this.#empty = true;
    this.#draw();
  }

  /** Show "compare", "before", "after" or "difference". */
  set view(view) {
    this.#view = this.#stage.dataset.view = view;
    this.#stage.setAttribute("aria-label", `Image, showing ${VIEW_LABELS[view]}`);
    this.#draw();
  }

  #put(layer, image, name) {
    const current = this.#layers[layer].firstElementChild;
    if (image === current) return;
    if (!image) { current.hidden = true; current.removeAttribute("src"); current.alt = ""; return; }
    image.alt = layer === "difference" ? `Noise removed from ${name}` : `${name}, ${layer} denoising`;
    image.draggable = false;
    current.replaceWith(image);
  }

  get #box() { return { width: this.#stage.clientWidth, height: this.#stage.clientHeight }; }

  get #fitting() {
    const { width, height } = this.#box;
    const zoom = Math.min(width / this.#width, height / this.#height) * devicePixelRatio;
    // Small images are enlarged by whole numbers, so that their pixels stay squares.
    return zoom < Math.max(devicePixelRatio, 1) ? zoom : Math.min(Math.floor(zoom), MAX_ZOOM);
  }

  get #pannable() {
    const { width, height } = this.#box;
    const scale = this.#zoom / devicePixelRatio;
    return this.#width * scale > width + 0.5 || this.#height * scale > height + 0.5;
  }

  #onResize() {
    if (this.#fitted && !this.#empty) this.#zoom = this.#fitting;
    this.#draw();
  }

  #zoomTo(zoom, at = null) {
    if (this.#empty) return;
    const { width, height } = this.#box;
    const point = at ?? { x: width / 2, y: height / 2 };
    const next = Math.min(Math.max(zoom, Math.min(this.#fitting, STEPS[0])), MAX_ZOOM);
    const grown = next / this.#zoom;
    this.#x = point.x - (point.x - this.#x) * grown;
    this.#y = point.y - (point.y - this.#y) * grown;
    this.#zoom = next;
    this.#fitted = false;
    this.#draw();
  }

  #zoomBy(how, at = null) {
    if (how === "fit") { this.#fitted = true; this.#onResize(); }
    else if (how === "one") this.#zoomTo(1, at);
    else if (how === "in") this.#zoomTo(STEPS.find(step => step > this.#zoom * 1.001) ?? MAX_ZOOM, at);
    else this.#zoomTo(STEPS.findLast(step => step < this.#zoom * 0.999) ?? 0, at);
  }

  #panBy(x, y) { this.#x += x; this.#y += y; this.#draw(); }

  // Return the left and right edge of the visible part of the image in the stage.
  #visibleEdges() {
    const width = this.#width * this.#zoom / devicePixelRatio;
    return [Math.max(this.#x, 0), Math.min(this.#x + width, this.#box.width)];
  }

  #splitTo(x) {
    const [left, right] = this.#visibleEdges();
    this.#splitFraction = Math.min(Math.max((x - left) / (right - left), 0), 1);
    this.#draw();
  }

  #draw() {
    const { width, height } = this.#box;
    const scale = this.#zoom / devicePixelRatio;
    const [wide, high] = [this.#width * scale, this.#height * scale];
    const whole = value => Math.round(value * devicePixelRatio) / devicePixelRatio;
    const place = (at, size, space) => whole(size <= space ? (space - size) / 2 : Math.min(0, Math.max(at, space - size)));
    this.#x = place(this.#x, wide, width);
    this.#y = place(this.#y, high, height);
    const [left, right] = this.#visibleEdges();
    const line = this.#view === "compare" ? whole(left + this.#splitFraction * (right - left)) : null;
    for (const layer of Object.values(this.#layers)) {
      const style = layer.firstElementChild.style;
      [style.width, style.height] = [`${wide}px`, `${high}px`];
      style.transform = `translate(${this.#x}px, ${this.#y}px)`;
      style.imageRendering = this.#zoom >= MIN_SQUARE_ZOOM ? "pixelated" : "auto";
    }
    this.#layers.after.style.clipPath = line === null ? "none" : `inset(0 0 0 ${line}px)`;
    this.#divider.style.transform = `translateX(${line ?? 0}px)`;
    this.#stage.style.setProperty("--left", `${left}px`);
    this.#stage.style.setProperty("--right", `${width - right}px`);
    this.#stage.style.setProperty("--top", `${Math.max(this.#y, 0)}px`);
    this.#stage.style.setProperty("--bottom", `${Math.max(height - this.#y - high, 0)}px`);
    this.#stage.classList.toggle("pannable", this.#pannable);
    this.#stage.classList.toggle("all-after", this.#splitFraction < 0.08);
    this.#stage.classList.toggle("all-before", this.#splitFraction > 0.92);
    this.#updateLabels();
  }

  #updateLabels() {
    const before = Math.round(100 * this.#splitFraction);
    this.#split.value = before;
    this.#split.setAttribute("aria-valuetext", `${before} percent before, ${100 - before} percent after`);
    const percent = 100 * this.#zoom;
    this.#scale.textContent = this.#empty ? "" : `${percent < 10 ? percent.toFixed(1) : Math.round(percent)}\u2009%`;
  }

  #listen(root) {
    const stage = this.#stage;
    stage.addEventListener("pointerdown", event => this.#onPointerDown(event));
    stage.addEventListener("pointermove", event => this.#onPointerMove(event));
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
      this.#zoomTo(this.#zoom * 2 ** (-event.deltaY * lines / (event.ctrlKey ? 60 : 240)), this.#pointOf(event));
    }, { passive: false });
    stage.addEventListener("dblclick", event => this.#zoomBy(this.#fitted ? "one" : "fit", this.#pointOf(event)));
    root.addEventListener("keydown", event => this.#onKey(event));
  }

  #pointOf(event) {
    const box = this.#stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #onPointerDown(event) {
    if (event.button || this.#empty) return;
    const at = this.#pointOf(event);
    this.#stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, at);
    const isSplit = this.#view === "compare" && (this.#divider.contains(event.target) || !this.#pannable);
    this.#drag = this.#pointers.size > 1 ? "pinch" : isSplit ? "split" : "pan";
    this.#stage.classList.toggle("dragging", this.#drag === "pan");
    if (this.#drag === "split") {
      this.#split.focus({ preventScroll: true, focusVisible: false });
      this.#splitTo(at.x);
    } else this.#stage.focus({ preventScroll: true, focusVisible: false });
    event.preventDefault();
  }

  #onPointerMove(event) {
    const old = this.#pointers.get(event.pointerId);
    if (!old || !this.#drag) return;
    const at = this.#pointOf(event);
    if (this.#drag === "pinch") {
      const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
      const distance = point => Math.hypot(point.x - other.x, point.y - other.y);
      if (other && distance(old) > 0) {
        this.#panBy((at.x - old.x) / 2, (at.y - old.y) / 2);
        this.#zoomTo(this.#zoom * distance(at) / distance(old), { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 });
      }
    } else if (this.#drag === "split") this.#splitTo(at.x);
    else this.#panBy(at.x - old.x, at.y - old.y);
    this.#pointers.set(event.pointerId, at);
  }

  #onKey(event) {
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
