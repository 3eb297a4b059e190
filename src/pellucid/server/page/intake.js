// How images come in: dropped (folders too), pasted, chosen.

const IMAGE = /\.(png|jpe?g|tiff?|webp|bmp|p[bgpn]m|avif|hei[cf]|dng|cr[23w]|nef|arw|raf|rw2|orf|pef|srw)$/i;
const PASTED = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/tiff": "tif", "image/bmp": "bmp" };

/** Part many files into images and others, by their names; one by itself goes to the service, which says what it is. */
export function imagesOf(given) {
  if (given.length < 2) return { files: given, without: [] };
  const isImage = ({ name, type }) => type.startsWith("image/") || IMAGE.test(name);
  return { files: given.filter(isImage), without: given.filter(file => !isImage(file)) };
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
