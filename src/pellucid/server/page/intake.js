// How images come in: dropped (folders too), pasted, chosen; and which of them are sent.

import { bytes, count } from "./telling.js";

const IMAGE = /\.(png|jpe?g|tiff?|webp|bmp|p[bgpn]m|avif|hei[cf]|dng|cr[23w]|nef|arw|raf|rw2|orf|pef|srw)$/i;
const PASTED = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/tiff": "tif", "image/bmp": "bmp" };
const MOST_NAMED = 5;

/**
 * Choose what is sent, so that nothing is sent in vain: images, by their names (one file by itself goes to the service,
 * which says what it is), that keep to the limits, with `others` that go along. `said` tells what is left out, and why.
 */
export function admitted(given, limits, others = []) {
  const { max_bytes: most, max_batch_bytes: whole, max_files: many } = { ...UNBOUNDED, ...limits };
  const isImage = ({ name, type }) => given.length < 2 || type.startsWith("image/") || IMAGE.test(name);
  const [images, without] = parted(given, isImage);
  const [files, large] = parted(images, ({ size }) => size <= most);
  if (files.length > many) return refused(`These are ${count(files.length)}, and this service takes up to ${many} at once: send fewer.`);
  const tooMuch = beyond(files, others, whole);
  if (tooMuch) return refused(tooMuch);
  const said = [];
  if (without.length) said.push(`Left out, since ${without.length > 1 ? "they are no images" : "it is no image"}: ${listed(without)}.`);
  if (large.length) said.push(`${files.length ? "Left out, since larger" : "Larger"} than the ${bytes(most)} that this service takes: ${listed(large, weighed)}.`);
  return { files, said: said.join(" ") };
}

const UNBOUNDED = { max_bytes: Infinity, max_batch_bytes: Infinity, max_files: Infinity };
const refused = said => ({ files: [], said });
const weighed = ({ name, size }) => `${name} (${bytes(size)})`;
const parted = (files, is) => [files.filter(is), files.filter(file => !is(file))];

export const sizeOf = files => files.reduce((sum, { size }) => sum + size, 0);

// Say how many of the images can be sent at once, if not all can, or nothing.
function beyond(files, others, whole) {
  const total = sizeOf(files) + sizeOf(others);
  if (total <= whole) return "";
  let [left, fit] = [whole - sizeOf(others), 0];
  while (fit < files.length && files[fit].size <= left) left -= files[fit++].size;
  const remedy = fit ? `send the first ${fit}, up to ${files[fit - 1].name}, and then the others` : "send fewer";
  return `These ${count(files.length + others.length)} are together ${bytes(total)}, and this service takes up to ${bytes(whole)} at once: ${remedy}.`;
}

function listed(files, told = ({ name }) => name) {
  return files.slice(0, MOST_NAMED).map(told).join(", ") + (files.length > MOST_NAMED ? ` and ${files.length - MOST_NAMED} more` : "");
}

/** Call `take(files, target)` with the files that are dropped or pasted; `target` is where they fell, or null. */
export function listen(overlay, take) {
  let depth = 0;
  const hasFiles = event => event.dataTransfer?.types.includes("Files");
  const show = () => { overlay.hidden = depth <= 0; };
  addEventListener("dragenter", event => { if (hasFiles(event)) { depth++; show(); event.preventDefault(); } });
  addEventListener("dragleave", event => { if (hasFiles(event)) { depth--; show(); } });
  addEventListener("dragover", event => { if (hasFiles(event)) { event.dataTransfer.dropEffect = "copy"; event.preventDefault(); } });
  addEventListener("drop", async event => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show();
    const { target } = event;
    take(await dropped(event.dataTransfer), target);
  });
  addEventListener("paste", event => {
    const files = [...event.clipboardData?.files ?? []];
    if (!files.length || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    take(files.map(named), null);
  });
}

// What is pasted is called image.png by the browser, whatever it is.
function named(file, index) {
  if (file.name && !/^image\.\w+$/.test(file.name)) return file;
  const kind = PASTED[file.type] ?? "png";
  return new File([file], `pasted${index ? `-${index + 1}` : ""}.${kind}`, { type: file.type });
}

async function dropped(transfer) {
  // The entries are there only until the event's first pause.
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files];
  if (!entries.some(entry => entry.isDirectory)) return files;
  const found = await Promise.all(entries.map(inside));
  return found.flat().sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
}

async function inside(entry) {
  if (entry.isFile) {
    return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A reader gives up to a hundred entries at a time, and none at the end.
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) break;
    found.push(...entries.filter(({ name }) => !name.startsWith(".")));
  }
  return (await Promise.all(found.map(inside))).flat();
}
