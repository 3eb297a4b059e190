// The page: images are sent as a job, the job is followed, and its results are shown.

import { address, ApiError, finished, follow, hasToken, json, onTokenNeeded, pause, request, upload } from "./api.js";
import { ImageCache, listenForFiles, selectFiles, totalSize } from "./files.js";
import { askToken, bytes, count, duration, failureMessage, percent, setProgress, setStatus, Settings, showError, showMetadata, Thumbnails } from "./ui.js";
import { Viewer } from "./viewer.js";

const BROWSER_FORMATS = /^image\/(jpeg|png|webp|avif|bmp|gif)$/;
const REFERENCE_HINT = "A clean version of the same image measures the result: PSNR and SSIM.";

const find = id => document.getElementById(id);
const viewer = new Viewer(find("viewer"));
const thumbnails = new Thumbnails(find("thumbnails"), find("option"), select);
const settings = new Settings(onSettingsChanged);
const images = new ImageCache();

// `hasPendingChanges`: settings have changed and wait to be applied. `lastJob` is the last job with a result, which is shown again when a change of settings is cancelled.
const emptyState = () => ({ files: [], references: [], skipped: "", job: null, lastJob: null, selected: 0, running: null, hasPendingChanges: false, shown: "", startTime: 0 });
let state = emptyState();
let limits = null;
let modelsLoaded; // a promise

const names = () => (state.job?.items ?? state.files).map(({ name }) => name);

// ---- from files to a job

function start(chosen) {
  const { files, message } = selectFiles(chosen, limits);
  if (!files.length) {
    if (message) showError(message);
    return;
  }
  const hadFocus = find("welcome").contains(document.activeElement);
  reset();
  [state.files, state.skipped] = [files, message];
  thumbnails.list(names(), files);
  select(0);
  send();
  showError(message);
  if (hadFocus) find("stage").focus(); // The button that had the focus is hidden now.
}

function reset() {
  abortJob();
  state = emptyState();
  images.clear();
  viewer.clear();
}

// Stop the running job, here and at the service.
function abortJob() {
  state.running?.abort();
  state.running = null;
  if (state.job && !finished(state.job)) request(state.job.links.self, { method: "DELETE" }).catch(() => {});
}

const send = () => run("sending", async signal => {
  const job = await createJob(signal);
  history.pushState(null, "", `#${job.id}`);
  return job;
});

// The same files with the current settings.
const rerun = () => run("working", async signal => {
  setProgress(null, "Waiting for the service");
  const job = await json(`${state.job.links.self}/again`, { method: "POST", body: new URLSearchParams(settings.fields), signal })
    // Jobs expire with their files; the page may still have them.
    .catch(error => error.status === 404 && state.files.length ? createJob(signal) : Promise.reject(error));
  history.replaceState(null, "", `#${job.id}`);
  return job;
});

async function createJob(signal) {
  await modelsLoaded;
  const form = new FormData();
  for (const [name, value] of Object.entries(settings.fields)) form.append(name, value);
  for (const file of state.files) form.append("files", file, file.name);
  for (const file of state.references) form.append("references", file, file.name);
  setStatus(`Sending ${count(state.files.length)}.`);
  const size = bytes(totalSize([...state.files, ...state.references]));
  const onProgress = fraction => setProgress(fraction, fraction < 1 ? `Sending, ${percent(fraction)} of ${size}${remainingTime(fraction)}` : "Waiting for the service");
  state.startTime = performance.now();
  return upload("v1/jobs", form, { onProgress, signal });
}

/** Run `startJob(signal)`, which resolves to a job, instead of the running job; then follow the job to its end. */
async function run(phase, startJob) {
  abortJob();
  const running = state.running = new AbortController();
  const { signal } = running;
  showError();
  setPhase(phase);
  try {
    const job = await retryWhenBusy(() => startJob(signal), signal);
    state.startTime = performance.now();
    setPhase("working");
    show(job);
    const onLost = () => setProgress(null, "The service does not answer; trying again");
    for await (const update of follow(job, onLost, signal)) { signal.throwIfAborted(); show(update); }
    signal.throwIfAborted();
    state.running = null;
    onFinished();
  } catch (error) {
    if (state.running !== running) return;
    state.running = null;
    const isCancelled = error.name === "AbortError";
    if (!isCancelled && !(error instanceof ApiError)) throw error;
    showError(isCancelled ? "" : error.message);
    setStatus(isCancelled ? "Cancelled." : "");
    setPhase(names().length ? "done" : "empty");
    if (names().length) select(state.selected);
  }
}

/** Call `attempt` again while the service is too busy. */
async function retryWhenBusy(attempt, signal) {
  for (;;) {
    try { return await attempt(); } catch (error) {
      if (!error.retryAfter || ![429, 503].includes(error.status)) throw error;
      setStatus("The service is busy. The images are sent again as soon as it is not.");
      for (let left = Math.ceil(error.retryAfter); left > 0; left--) {
        setProgress(null, `The service is busy; again in ${left} s`);
        await pause(1, signal);
      }
    }
  }
}

function cancel() {
  // The events of a job at the service report its end.
  if (state.running && state.job && !finished(state.job)) request(state.job.links.self, { method: "DELETE" }).catch(error => showError(error.message));
  else state.running?.abort();
  find("stage").focus();
}

// ---- the state of a job

function setPhase(name) {
  document.body.dataset.phase = name;
  const isBusy = name === "sending" || name === "working";
  find("welcome").hidden = name !== "empty";
  find("viewer").hidden = name === "empty";
  find("work").hidden = !isBusy;
  find("stage").setAttribute("aria-busy", isBusy);
  updateReferenceField();
  updateApplyButton();
}

function updateApplyButton() {
  find("apply").hidden = !(state.hasPendingChanges || (state.files.length && !state.job && !state.running));
  find("apply").textContent = state.job ? "Clean all again" : "Clean";
}

function show(job) {
  const previous = state.job;
  state.job = job;
  const total = job.items.length;
  if (previous?.items.length !== total) thumbnails.list(names(), state.files);
  thumbnails.update(job.items);
  const done = job.items.filter(finished).length;
  if (previous?.id !== job.id) setStatus(`Cleaning ${count(total)}.`);
  else if (total > 1 && done > previous.items.filter(finished).length && done < total) setStatus(`${done} of ${total} done.`);
  const position = total > 1 ? `${Math.min(done + 1, total)} of ${total}, ` : "";
  const text = `Cleaning ${position}${percent(job.progress)}${remainingTime(job.progress)}`;
  setProgress(job.status === "queued" ? null : job.progress, job.status === "queued" ? "Waiting in the queue" : text);
  select(state.selected);
}

function remainingTime(fraction) {
  const elapsed = (performance.now() - state.startTime) / 1000;
  return fraction > 0.05 && fraction < 1 && elapsed > 3 ? `, about ${duration(elapsed * (1 - fraction) / fraction)} left` : "";
}

function onFinished() {
  const { job, lastJob } = state;
  const done = job.items.filter(item => item.status === "done");
  const failed = job.items.filter(item => item.status === "failed");
  if (done.length) state.lastJob = job;
  else if (job.status === "cancelled" && lastJob) {
    state.job = lastJob;
    settings.setFromJob(lastJob);
    thumbnails.update(lastJob.items);
    history.replaceState(null, "", `#${lastJob.id}`);
  }
  setPhase("done");
  select(state.selected);
  const sigma255 = done[0]?.metadata.sigma_255;
  if (job.status === "cancelled") setStatus("Cancelled.");
  else if (job.items.length > 1) setStatus(`${done.length} of ${job.items.length} done.`);
  else if (done.length) setStatus(`${done[0].name} is done.` + (typeof sigma255 === "number" ? ` Noise level ${sigma255.toFixed(1)} of 255.` : ""));
  else setStatus("");
  if (failed.length) showError(`${state.skipped} ${failed.length > 1 ? `${count(failed.length)} failed; the first: ` : ""}${failureMessage(failed[0])}`.trim());
}

// ---- one image of a job

function select(index) {
  const isOther = index !== state.selected;
  if (isOther) { viewer.clear(); state.shown = ""; }
  state.selected = index;
  thumbnails.select(index, isOther);
  const { job } = state;
  const name = names()[index];
  const item = job?.items[index];
  const isDone = item?.status === "done";
  const progress = state.running && job && !finished(job) ? `${percent(job.progress)} ` : "";
  find("title").textContent = name ?? "";
  document.title = name ? `${progress}${name} – Pellucid` : "Pellucid";
  find("results").hidden = !job?.items.some(({ status }) => status === "done");
  find("metadata").hidden = !isDone;
  settings.setEstimate(isDone ? item.metadata.sigma_255 : null);
  setLink(find("download"), isDone && item.links.result);
  setLink(find("download-all"), job?.items.length > 1 && finished(job) && job.links.result);
  if (name) draw(name, item, state.files[index]).catch(error => showError(`${name} cannot be shown: ${error.message}`));
}

function setLink(anchor, target) {
  anchor.hidden = !target;
  if (target) anchor.href = address(target);
  else anchor.removeAttribute("href");
}

async function draw(name, item, file) {
  const isDone = item?.status === "done";
  const key = isDone ? item.links.result : name;
  showPlaceholder();
  // While the image is denoised with other settings, the last result stays.
  if (key === state.shown || (!isDone && state.shown)) return;
  state.shown = key;
  const isOutdated = () => state.shown !== key;
  if (isDone) {
    showMetadata(item.metadata, state.job.sigma === "auto");
    const [before, after, difference] = await Promise.all(["before", "after", "difference"].map(kind => images.get(address(item.links[kind]).href)));
    if (isOutdated()) return;
    const { width, height, difference_gain: gain } = item.metadata;
    await viewer.show({ name, width, height, gain, before: before.url, after: after.url, difference: difference.url });
    thumbnails.drawThumbnail(item.number - 1, before.blob);
  } else if (file && BROWSER_FORMATS.test(file.type)) {
    const { url } = await images.get(file);
    // The service may be able to read an image that the browser cannot.
    if (!isOutdated()) await viewer.show({ name, before: url }).catch(() => viewer.clear());
  }
  if (!isOutdated()) showPlaceholder();
}

// Explain in the frame why there is no image.
function showPlaceholder() {
  const name = names()[state.selected] ?? "";
  const item = state.job?.items[state.selected];
  const texts = { failed: item?.error, cancelled: "Cancelled before it was done.", done: "" };
  const waiting = state.running ? "It is shown once it is clean." : "Not sent.";
  const text = item?.status === "failed" || !viewer.hasImage ? texts[item?.status] ?? waiting : "";
  find("placeholder").hidden = !text;
  find("placeholder").classList.toggle("over", viewer.hasImage);
  find("placeholder-name").textContent = text.includes(name) ? "" : name;
  find("placeholder-text").textContent = text;
}

// ---- controls

function onSettingsChanged() {
  // Many images are not denoised again at each move of a slider.
  state.hasPendingChanges = names().length > 1;
  updateApplyButton();
  if (names().length === 1) apply();
}

function apply() {
  state.hasPendingChanges = false;
  if (state.job) rerun();
  else if (state.files.length) send();
}

function updateReferenceField() {
  const { files, references, job } = state;
  find("reference-remove").hidden = !references.length;
  find("reference-choose").hidden = references.length > 0;
  find("reference-choose").disabled = !files.length;
  const chosen = references.length === 1 ? references[0].name : count(references.length);
  find("reference-hint").textContent = references.length ? chosen : job && !files.length ? "Drop the image again to compare it with a clean version." : REFERENCE_HINT;
}

function compareWith(references) {
  const hadFocus = find("reference-field").contains(document.activeElement);
  const { files, message } = selectFiles(references, limits, state.files);
  if (message) { showError(message); return; }
  state.references = files;
  send();
  // One of the two buttons replaces the other.
  if (hadFocus) find(references.length ? "reference-remove" : "reference-choose").focus();
}

// A link cannot send a token: then the file is fetched first.
async function save(event) {
  if (!hasToken()) return;
  event.preventDefault();
  const response = await request(event.currentTarget.href).catch(error => showError(error.message));
  if (!response) return;
  const disposition = response.headers.get("Content-Disposition");
  const name = /filename\*=UTF-8''([^;]+)/i.exec(disposition) ?? /filename="?([^";]+)/i.exec(disposition);
  const url = URL.createObjectURL(await response.blob());
  Object.assign(document.createElement("a"), { href: url, download: name ? decodeURIComponent(name[1]) : "" }).click();
  setTimeout(URL.revokeObjectURL, 60_000, url);
}

async function tryExample() {
  const response = await request("static/example.jpg").catch(error => showError(error.message));
  if (response) start([new File([await response.blob()], "mountains.jpg", { type: "image/jpeg" })]);
}

function listenToControls() {
  const on = (id, type, handler) => find(id).addEventListener(type, handler);
  const onChosen = (id, handler) => on(id, "change", ({ target }) => { const files = [...target.files]; target.value = ""; handler(files); });
  for (const id of ["choose", "choose-more"]) on(id, "click", () => find("files").click());
  onChosen("files", start);
  on("reference-choose", "click", () => find("reference-files").click());
  onChosen("reference-files", files => { if (files.length) compareWith(files); });
  on("reference-remove", "click", () => compareWith([]));
  on("example", "click", tryExample);
  on("cancel", "click", cancel);
  on("settings", "submit", event => {
    event.preventDefault();
    if (names().length && settings.valid) apply();
  });
  on("views", "change", event => { viewer.view = event.target.value; });
  for (const id of ["download", "download-all"]) on(id, "click", save);
  listenForFiles(find("drop"), (files, target) => {
    if (files.length && state.files.length && target?.closest?.("#reference-field")) compareWith(files);
    else start(files);
  });
  addEventListener("popstate", open);
}

/** Show the job in the address, or the empty page. */
function open() {
  const id = location.hash.slice(1);
  if (state.job && id === state.job.id) return;
  reset();
  thumbnails.list([], []);
  select(0);
  setPhase("empty");
  if (/^[\w-]+$/.test(id)) run("working", async signal => {
    setProgress(null, "Fetching the job");
    const [job] = await Promise.all([json(`v1/jobs/${id}`, { signal }), modelsLoaded]);
    settings.setFromJob(job);
    return job;
  });
}

async function loadModels() {
  const available = await json("v1/models");
  settings.setModels(available);
  limits = available.limits;
  const formats = available.formats.map(name => name.toUpperCase()).join(", ");
  find("limits").textContent = `${formats}; up to ${bytes(limits.max_bytes)} and ${Math.round(limits.max_pixels / 1e6)} megapixels each, ${bytes(limits.max_batch_bytes)} together.`;
}

onTokenNeeded(askToken);
listenToControls();
modelsLoaded = loadModels();
modelsLoaded.catch(error => showError(error.message));
open();
