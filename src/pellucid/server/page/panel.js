// The settings, and what is told of a result.

import { duration, percent } from "./telling.js";

const find = id => document.getElementById(id);

export class Settings {
  #form = find("settings"); #models = []; #kept = "";

  /** `changed()` is called when a setting that makes another result has been changed and is valid. */
  constructor(changed) {
    const link = (from, to) => find(from).addEventListener("input", () => { find(to).value = find(from).value; });
    link("sigma", "sigma-slide");
    link("sigma-slide", "sigma");
    find("strength").addEventListener("input", () => this.#tell());
    this.#form.addEventListener("change", () => {
      this.#tell();
      if (!this.valid || this.#key === this.#kept) return;
      this.#kept = this.#key;
      changed();
    });
  }

  /** Offer the denoisers and classifiers that the service has. */
  offer({ denoisers, classifiers }) {
    this.#models = denoisers;
    const option = ({ name }) => new Option(name, name);
    find("model").replaceChildren(...denoisers.map(option));
    find("model").value = denoisers.find(model => model.default)?.name ?? denoisers[0]?.name;
    find("classifier").append(...classifiers.map(option));
    find("classifier-field").hidden = !classifiers.length;
    this.#tell();
    this.#kept = this.#key;
  }

  get valid() { return this.#isAutomatic || find("sigma").checkValidity(); }

  /** The fields of a job, as the service takes them. */
  get fields() {
    return {
      model: find("model").value,
      strength: String(find("strength").value / 100),
      sigma: this.#isAutomatic ? "auto" : find("sigma").value,
      classifier: find("classifier").value, // empty: none, where an earlier job may have had one
    };
  }

  /** Show the settings of a job. */
  adopt({ model, strength, sigma, classifier }) {
    find("model").value = model;
    find("strength").value = 100 * strength;
    find("classifier").value = classifier ?? "";
    this.#form.elements.level.value = sigma === "auto" ? "auto" : "own";
    if (sigma !== "auto") this.#level = sigma;
    this.#tell();
    this.#kept = this.#key;
  }

  /** Tell the level that was found in an image, of 255, or that none was. */
  estimated(level) {
    const isFound = typeof level === "number" && this.#isAutomatic;
    find("estimate").textContent = isFound ? `Found in this image: ${level.toFixed(1)} of 255.` : "Measured in each image.";
    if (isFound) this.#level = level;
  }

  get #isAutomatic() { return this.#form.elements.level.value === "auto"; }

  get #key() { return JSON.stringify(this.fields); }

  set #level(level) { find("sigma").value = find("sigma-slide").value = Number(level.toFixed(1)); }

  #tell() {
    const model = this.#models.find(({ name }) => name === find("model").value);
    const size = model?.fixed_size && `for images of ${model.fixed_size.join(" × ")}`;
    const said = [model?.summary, size].filter(Boolean).join("; ");
    find("model-summary").textContent = said && `${said[0].toUpperCase()}${said.slice(1)}.`;
    find("level-field").hidden = model?.conditional === false;
    find("strength-value").textContent = percent(find("strength").value / 100);
    find("strength").setAttribute("aria-valuetext", find("strength-value").textContent);
    find("own-level").hidden = this.#isAutomatic;
    find("estimate").hidden = !this.#isAutomatic;
  }
}

/** List what is known of an image that is done: `facts` as the service gives them, `isFound` if the level was automatic. */
export function tellFacts(facts, isFound) {
  const rows = [
    ["Size", `${facts.width} × ${facts.height}${facts.frames > 1 ? `, ${facts.frames} frames` : ""}`],
    ["File", `${facts.format}, ${facts.bit_depth ? `${facts.bit_depth} bits` : facts.dtype}`],
    ["Noise", typeof facts.sigma === "number" && `${facts.sigma.toFixed(1)} of 255${isFound ? ", found" : ""}`],
    ["PSNR", "psnr" in facts && `${figure(facts.psnr_before, 2)} → ${figure(facts.psnr, 2)} dB`],
    ["SSIM", "ssim" in facts && `${figure(facts.ssim_before, 4)} → ${figure(facts.ssim, 4)}`],
    ["Read as", facts.labels && `${reading(facts, "before")} → ${reading(facts, "after")}`],
    ["Time", `${duration(facts.seconds)}, ${facts.engine}`],
    ...[facts.size_note, ...facts.remarks ?? []].map(remark => ["Note", remark]),
  ];
  const told = rows.filter(([, text]) => text).flatMap(([name, text]) => [element("dt", name), element("dd", text)]);
  find("facts").replaceChildren(...told);
}

// The PSNR of identical images is not finite, hence null.
const figure = (value, digits) => value === null ? "∞" : value.toFixed(digits);

function reading({ labels, scores }, when) {
  const score = scores?.[when]?.[labels[when]];
  return score === undefined ? labels[when] : `${labels[when]} (${percent(score)})`;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
