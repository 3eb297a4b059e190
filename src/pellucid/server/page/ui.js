// The parts of the page around the viewer: status, errors and progress, the token dialog, settings, results, thumbnails.

const find = id => document.getElementById(id);
const THIN_SPACE = "\u2009";

export const count = number => `${number} image${number === 1 ? "" : "s"}`;

export const percent = fraction => `${Math.round(100 * fraction)}${THIN_SPACE}%`;

export function bytes(number) {
  const units = ["bytes", "kB", "MB", "GB"];
  const step = Math.min(Math.floor(Math.log10(Math.max(number, 1)) / 3), units.length - 1);
  const value = number / 1000 ** step;
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} ${units[step]}`;
}

export function duration(seconds) {
  if (seconds < 1) return `${Math.max(1, Math.round(1000 * seconds))} ms`;
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return `${Math.round(seconds / 60)} min`;
}

/** Return why an image of a job failed, with its name. */
export const failureMessage = ({ name, error }) => error.includes(name) ? error : `${name}: ${error}`;

// ---- status, errors, progress

/** Announce a text to screen readers. */
export function setStatus(text) { find("status").textContent = text; }

/** Show an error, or hide it if there is no text. */
export function showError(text = "") {
  find("notice").textContent = text;
  find("notice").classList.toggle("shown", Boolean(text));
}

/** Show the fraction of the work that is done; null if it is unknown. */
export function setProgress(fraction, text) {
  if (fraction === null) find("progress").removeAttribute("value");
  else find("progress").value = fraction;
  find("work-text").textContent = text;
}

/** Ask for the token; resolves to the text that was typed. */
export function askToken(wasRefused) {
  const [dialog, input] = [find("token-dialog"), find("token")];
  find("token-refused").hidden = !wasRefused;
  input.value = "";
  dialog.showModal();
  return new Promise(resolve => {
    dialog.addEventListener("close", function onClose() {
      // Escape closes the dialog too, but nothing works without a token.
      if (!input.value) { dialog.showModal(); return; }
      dialog.removeEventListener("close", onClose);
      resolve(input.value);
    });
  });
}

// ---- settings

export class Settings {
  #form = find("settings"); #models = []; #lastKey = "";

  /** `onChange()` is called when a valid setting has changed that changes the result. */
  constructor(onChange) {
    const link = (from, to) => find(from).addEventListener("input", () => { find(to).value = find(from).value; });
    link("sigma", "sigma-slider");
    link("sigma-slider", "sigma");
    find("strength").addEventListener("input", () => this.#refresh());
    this.#form.addEventListener("change", () => {
      this.#refresh();
      if (!this.valid || this.#key === this.#lastKey) return;
      this.#lastKey = this.#key;
      onChange();
    });
  }

  /** Set the available denoisers and classifiers. */
  setModels({ denoisers, classifiers }) {
    this.#models = denoisers;
    const option = ({ name }) => new Option(name, name);
    find("model").replaceChildren(...denoisers.map(option));
    find("model").value = denoisers.find(model => model.default)?.name ?? denoisers[0]?.name;
    find("classifier").append(...classifiers.map(option));
    find("classifier-field").hidden = !classifiers.length;
    this.#refresh();
    this.#lastKey = this.#key;
  }

  get valid() { return this.#isAutomatic || find("sigma").checkValidity(); }

  /** The form fields of a job. */
  get fields() {
    return {
      model: find("model").value,
      strength: String(find("strength").value / 100),
      sigma: this.#isAutomatic ? "auto" : find("sigma").value,
      classifier: find("classifier").value, // An empty one removes that of an earlier job.
    };
  }

  /** Show the settings of a job. */
  setFromJob({ model, strength, sigma, classifier }) {
    find("model").value = model;
    find("strength").value = 100 * strength;
    find("classifier").value = classifier ?? "";
    this.#form.elements["sigma-mode"].value = sigma === "auto" ? "auto" : "manual";
    if (sigma !== "auto") this.#sigma255 = sigma;
    this.#refresh();
    this.#lastKey = this.#key;
  }

  /** Show the estimated noise level of an image, of 255, or null. */
  setEstimate(sigma255) {
    const isEstimated = typeof sigma255 === "number" && this.#isAutomatic;
    find("estimate").textContent = isEstimated ? `Estimated for this image: ${sigma255.toFixed(1)} of 255.` : "Estimated for each image.";
    if (isEstimated) this.#sigma255 = sigma255;
  }

  get #isAutomatic() { return this.#form.elements["sigma-mode"].value === "auto"; }

  get #key() { return JSON.stringify(this.fields); }

  set #sigma255(value) { find("sigma").value = find("sigma-slider").value = Number(value.toFixed(1)); }

  #refresh() {
    const model = this.#models.find(({ name }) => name === find("model").value);
    const size = model?.fixed_size && `for images of ${model.fixed_size.join(" × ")}`;
    const summary = [model?.summary, size].filter(Boolean).join("; ");
    find("model-summary").textContent = summary && `${summary[0].toUpperCase()}${summary.slice(1)}.`;
    find("sigma-field").hidden = model?.conditional === false;
    find("strength-value").textContent = percent(find("strength").value / 100);
    find("strength").setAttribute("aria-valuetext", find("strength-value").textContent);
    find("manual-sigma").hidden = this.#isAutomatic;
    find("estimate").hidden = !this.#isAutomatic;
  }
}

// ---- results

/** List the metadata of a result; `isEstimated` says whether its noise level was automatic. */
export function showMetadata(metadata, isEstimated) {
  const { sigma_255: sigma255 } = metadata;
  const rows = [
    ["Size", `${metadata.width} × ${metadata.height}${metadata.frames > 1 ? `, ${metadata.frames} frames` : ""}`],
    ["File", `${metadata.format}, ${metadata.bit_depth ? `${metadata.bit_depth} bits` : metadata.dtype}`],
    ["Noise", typeof sigma255 === "number" && `${sigma255.toFixed(1)} of 255${isEstimated ? ", estimated" : ""}`],
    ["PSNR", "psnr" in metadata && `${measure(metadata.psnr_before, 2)} → ${measure(metadata.psnr, 2)} dB`],
    ["SSIM", "ssim" in metadata && `${measure(metadata.ssim_before, 4)} → ${measure(metadata.ssim, 4)}`],
    ["Class", metadata.labels && `${prediction(metadata, "before")} → ${prediction(metadata, "after")}`],
    ["Time", `${duration(metadata.seconds)}, ${metadata.engine}`],
    ...[metadata.size_note, ...metadata.warnings ?? []].map(warning => ["Note", warning]),
  ];
  const elements = rows.filter(([, text]) => text).flatMap(([name, text]) => [element("dt", name), element("dd", text)]);
  find("metadata").replaceChildren(...elements);
}

// The PSNR of identical images is infinite, which JSON can only say as null.
const measure = (value, digits) => value === null ? "∞" : value.toFixed(digits);

function prediction({ labels, scores }, version) {
  const score = scores?.[version]?.[labels[version]];
  return score === undefined ? labels[version] : `${labels[version]} (${percent(score)})`;
}

function element(tag, text) {
  const created = document.createElement(tag);
  created.textContent = text;
  return created;
}

// ---- thumbnails

const THUMBNAIL_SIDE = 160;
const STATES = { queued: "waiting", running: "in work", done: "done", failed: "failed", cancelled: "cancelled" };

/** The images of a job side by side, as a list box. */
export class Thumbnails {
  #list; #template; #onSelect; #options = []; #generation = 0;

  /** `onSelect(index)` is called when an image is selected. */
  constructor(list, template, onSelect) {
    [this.#list, this.#template, this.#onSelect] = [list, template, onSelect];
    list.addEventListener("click", event => {
      const index = this.#options.indexOf(event.target.closest("[role=option]"));
      if (index >= 0) onSelect(index);
    });
    list.addEventListener("keydown", event => this.#onKey(event));
  }

  /** List images by name; `files` are their local files, which thumbnails are made of, or empty. */
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
    if (names.length > 1) this.#drawAll(files, ++this.#generation);
  }

  /** Show the state, progress and error of each item. */
  update(items) {
    items.forEach(({ name, status, progress, error }, index) => {
      const option = this.#options[index];
      option.dataset.state = status;
      option.style.setProperty("--done", progress ?? 0);
      option.title = error ? failureMessage({ name, error }) : name;
      option.querySelector(".thumb-state").textContent = STATES[status] ?? status;
    });
  }

  /** Mark an image as selected, and scroll to it if `isVisible` is true. */
  select(index, isVisible) {
    this.#options.forEach((option, at) => {
      option.setAttribute("aria-selected", at === index);
      option.tabIndex = at === index ? 0 : -1;
    });
    if (isVisible) this.#options[index]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Draw the thumbnail of an image that has none yet. */
  async drawThumbnail(index, source) {
    const canvas = this.#options[index]?.querySelector("canvas");
    if (!canvas || canvas.width > 1 || this.#list.hidden) return;
    // With one side set, the other keeps the ratio.
    const bitmap = await createImageBitmap(source, { resizeWidth: THUMBNAIL_SIDE, resizeQuality: "medium" }).catch(() => null);
    if (!bitmap) return; // A format that the browser does not know: the suffix of the name is shown.
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  }

  // One after the other: a hundred photographs decoded at once would fill the memory.
  async #drawAll(files, generation) {
    for (const [index, file] of files.entries()) {
      if (generation !== this.#generation) return;
      await this.drawThumbnail(index, file);
    }
  }

  #onKey(event) {
    const at = this.#options.indexOf(document.activeElement);
    const last = this.#options.length - 1;
    const next = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: last }[event.key];
    if (next === undefined || at < 0) return;
    event.preventDefault();
    const index = Math.min(Math.max(next, 0), last);
    this.#onSelect(index);
    this.#options[index].focus();
  }
}
