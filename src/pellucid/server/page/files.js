// Files: dropped (folders too), pasted or chosen; the selection of those that are sent; and a cache of loaded images.

import { request } from "./api.js";
import { bytes, count } from "./ui.js";

const IMAGE = /\.(png|jpe?g|tiff?|webp|bmp|p[bgpn]m|avif|hei[cf]|dng|cr[23w]|nef|arw|raf|rw2|orf|pef|srw)$/i;
const PASTED = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/tiff": "tif", "image/bmp": "bmp" };
const NO_LIMITS = { max_bytes: Infinity, max_batch_bytes: Infinity, max_files: Infinity };
const MAX_LISTED = 5;
const MAX_IMAGES = 24; // before, after and difference of eight images

/**
 * Select the files that are sent: images, by their names, within the limits of the service, together with `others`. A
 * single file is always sent, since the service knows best what it is. `message` names the skipped files and the reason.
 */
export function selectFiles(files, limits, others = []) {
  const { max_bytes: maxBytes, max_batch_bytes: maxBatchBytes, max_files: maxFiles } = { ...NO_LIMITS, ...limits };
  const isImage = ({ name, type }) => files.length < 2 || type.startsWith("image/") || IMAGE.test(name);
  const [images, skipped] = partition(files, isImage);
  const [selected, tooLarge] = partition(images, ({ size }) => size <= maxBytes);
  if (selected.length > maxFiles) return none(`These are ${count(selected.length)}, and this service accepts up to ${maxFiles} at once: send fewer.`);
  const error = overBatchLimit(selected, others, maxBatchBytes);
  if (error) return none(error);
  const messages = [];
  if (skipped.length) messages.push(`Skipped, not ${skipped.length > 1 ? "images" : "an image"}: ${list(skipped)}.`);
  if (tooLarge.length) messages.push(`${selected.length ? "Skipped, larger" : "Larger"} than the ${bytes(maxBytes)} that this service accepts: ${list(tooLarge, nameWithSize)}.`);
  return { files: selected, message: messages.join(" ") };
}

const none = message => ({ files: [], message });
const nameWithSize = ({ name, size }) => `${name} (${bytes(size)})`;
const partition = (files, predicate) => [files.filter(predicate), files.filter(file => !predicate(file))];

export const totalSize = files => files.reduce((sum, { size }) => sum + size, 0);

// Return a message with how many of the images can be sent at once, or "" if all can.
function overBatchLimit(files, others, maxBatchBytes) {
  const total = totalSize(files) + totalSize(others);
  if (total <= maxBatchBytes) return "";
  let [left, fit] = [maxBatchBytes - totalSize(others), 0];
  while (fit < files.length && files[fit].size <= left) left -= files[fit++].size;
  const remedy = fit ? `send the first ${fit}, up to ${files[fit - 1].name}, and then the others` : "send fewer";
  return `These ${count(files.length + others.length)} have together ${bytes(total)}, and this service accepts up to ${bytes(maxBatchBytes)} at once: ${remedy}.`;
}

function list(files, describe = ({ name }) => name) {
  return files.slice(0, MAX_LISTED).map(describe).join(", ") + (files.length > MAX_LISTED ? ` and ${files.length - MAX_LISTED} more` : "");
}

/** Call `onFiles(files, target)` with dropped or pasted files; `target` is the element that they were dropped on, or null. */
export function listenForFiles(overlay, onFiles) {
  let depth = 0;
  const hasFiles = event => event.dataTransfer?.types.includes("Files");
  const updateOverlay = () => { overlay.hidden = depth <= 0; };
  addEventListener("dragenter", event => { if (hasFiles(event)) { depth++; updateOverlay(); event.preventDefault(); } });
  addEventListener("dragleave", event => { if (hasFiles(event)) { depth--; updateOverlay(); } });
  addEventListener("dragover", event => { if (hasFiles(event)) { event.dataTransfer.dropEffect = "copy"; event.preventDefault(); } });
  addEventListener("drop", async event => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    updateOverlay();
    const { target } = event;
    onFiles(await droppedFiles(event.dataTransfer), target);
  });
  addEventListener("paste", event => {
    const files = [...event.clipboardData?.files ?? []];
    if (!files.length || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    onFiles(files.map(withPastedName), null);
  });
}

// Browsers call all pasted images image.png.
function withPastedName(file, index) {
  if (file.name && !/^image\.\w+$/.test(file.name)) return file;
  const suffix = PASTED[file.type] ?? "png";
  return new File([file], `pasted${index ? `-${index + 1}` : ""}.${suffix}`, { type: file.type });
}

async function droppedFiles(transfer) {
  // The entries exist only until the event handler awaits.
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files];
  if (!entries.some(entry => entry.isDirectory)) return files;
  const found = await Promise.all(entries.map(filesOfEntry));
  return found.flat().sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
}

async function filesOfEntry(entry) {
  if (entry.isFile) {
    return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A reader returns up to a hundred entries at a time, and none at the end.
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) break;
    found.push(...entries.filter(({ name }) => !name.startsWith(".")));
  }
  return (await Promise.all(found.map(filesOfEntry))).flat();
}

/** The images that were loaded last. */
export class ImageCache {
  #images = new Map();

  /** Resolve to {blob, url} of a file or of an address, which is loaded once. */
  get(source) {
    if (!this.#images.has(source)) {
      const load = source instanceof File ? Promise.resolve(source) : request(source).then(response => response.blob());
      const image = load.then(blob => ({ blob, url: URL.createObjectURL(blob) }));
      image.catch(() => this.#images.delete(source));
      this.#images.set(source, image);
      if (this.#images.size > MAX_IMAGES) this.#release(this.#images.keys().next().value);
    }
    return this.#images.get(source);
  }

  clear() { for (const source of this.#images.keys()) this.#release(source); }

  #release(source) {
    this.#images.get(source).then(({ url }) => URL.revokeObjectURL(url), () => {});
    this.#images.delete(source);
  }
}
