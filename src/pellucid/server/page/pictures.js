// Pictures that were loaded, kept as long as there is room.

import { request } from "./api.js";

const MOST = 24; // eight images' before, after and difference

export class Pictures {
  #kept = new Map();

  /** Resolve to {blob, url} of the content of a file or of an address, which is loaded once. */
  get(source) {
    if (!this.#kept.has(source)) {
      const load = source instanceof File ? Promise.resolve(source) : request(source).then(response => response.blob());
      const made = load.then(blob => ({ blob, url: URL.createObjectURL(blob) }));
      made.catch(() => this.#kept.delete(source));
      this.#kept.set(source, made);
      if (this.#kept.size > MOST) this.#release(this.#kept.keys().next().value);
    }
    return this.#kept.get(source);
  }

  clear() { for (const source of this.#kept.keys()) this.#release(source); }

  #release(source) {
    this.#kept.get(source).then(({ url }) => URL.revokeObjectURL(url), () => {});
    this.#kept.delete(source);
  }
}
