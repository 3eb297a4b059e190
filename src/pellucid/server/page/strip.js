// The images of a batch side by side: a list box whose options are small pictures.

import { reason } from "./telling.js";

const SIDE = 160;
const STATES = { queued: "waiting", running: "in work", done: "done", failed: "failed", cancelled: "cancelled" };

export class Strip {
  #list; #template; #pick; #options = []; #turn = 0;

  /** `pick(index)` is called when an image is chosen. */
  constructor(list, template, pick) {
    [this.#list, this.#template, this.#pick] = [list, template, pick];
    list.addEventListener("click", event => {
      const index = this.#options.indexOf(event.target.closest("[role=option]"));
      if (index >= 0) pick(index);
    });
    list.addEventListener("keydown", event => this.#key(event));
  }

  /** List images by name; `files` are the user's own, to make the small pictures of, or empty. */
  list(names, files) {
    this.#options = names.map(name => {
      const option = this.#template.content.firstElementChild.cloneNode(true);
      option.querySelector("bdi").textContent = name;
      option.querySelector(".thumb-kind").textContent = name.includes(".") ? name.split(".").pop().slice(0, 5) : "";
      option.title = name;
      return option;
    });
    this.#list.replaceChildren(...this.#options);
    this.#list.hidden = names.length < 2;
    if (names.length > 1) this.#draw(files, ++this.#turn);
  }

  /** Tell each image's state: "queued" and so on, its share done, and why it failed. */
  update(items) {
    items.forEach(({ name, status, progress, error }, index) => {
      const option = this.#options[index];
      option.dataset.state = status;
      option.style.setProperty("--done", progress ?? 0);
      option.title = error ? reason({ name, error }) : name;
      option.querySelector(".thumb-state").textContent = STATES[status] ?? status;
    });
  }

  /** Mark an image as the one that is shown, and bring it into sight if `seen`. */
  select(index, seen) {
    this.#options.forEach((option, at) => {
      option.setAttribute("aria-selected", at === index);
      option.tabIndex = at === index ? 0 : -1;
    });
    if (seen) this.#options[index]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Make the small picture of an image of which there was none from a picture of it. */
  async picture(index, source) {
    const canvas = this.#options[index]?.querySelector("canvas");
    if (!canvas || canvas.width > 1 || this.#list.hidden) return;
    // One side is given, so that the other follows.
    const small = await createImageBitmap(source, { resizeWidth: SIDE, resizeQuality: "medium" }).catch(() => null);
    if (!small) return; // A kind that the browser does not know: its name's ending stands there.
    [canvas.width, canvas.height] = [small.width, small.height];
    canvas.getContext("2d").drawImage(small, 0, 0);
    small.close();
  }

  // One after the other: a hundred photographs decoded at once would fill the memory.
  async #draw(files, turn) {
    for (const [index, file] of files.entries()) {
      if (turn !== this.#turn) return;
      await this.picture(index, file);
    }
  }

  #key(event) {
    const at = this.#options.indexOf(document.activeElement);
    const last = this.#options.length - 1;
    const next = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: last }[event.key];
    if (next === undefined || at < 0) return;
    event.preventDefault();
    const index = Math.min(Math.max(next, 0), last);
    this.#pick(index);
    this.#options[index].focus();
  }
}
