// The page: images go in as a job, the job is followed, and what comes back is shown.

import { address, finished, follow, hasToken, json, onTokenNeeded, pause, Refusal, request, upload } from "./api.js";
import { admitted, listen, sizeOf } from "./intake.js";
import { Settings, tellFacts } from "./panel.js";
import { Pictures } from "./pictures.js";
import { Strip } from "./strip.js";
import { askToken, bytes, complain, count, duration, percent, progress, reason, tell } from "./telling.js";
import { Viewer } from "./viewer.js";

const BROWSER_SHOWS = /^image\/(jpeg|png|webp|avif|bmp|gif)$/;
const MEASURES = "A clean take of the same picture measures the result: PSNR and SSIM.";

const find = id => document.getElementById(id);
const viewer = new Viewer(find("viewer"));
const strip = new Strip(find("strip"), find("option"), select);
const settings = new Settings(settingsChanged);
const pictures = new Pictures();

// `isDue`: settings have changed and wait to be applied. `kept` is the last job that brought something: where a change of settings is cancelled, it is gone back to.
const empty = () => ({ files: [], references: [], leftOut: "", job: null, kept: null, selected: 0, running: null, isDue: false, shown: "", began: 0 });
let state = empty();
let limits = null;
let offered; // resolves once the service has said what it has

const names = () => (state.job?.items ?? state.files).map(({ name }) => name);

// ---- from files to a job

function begin(given) {
  const { files, said } = admitted(given, limits);
  if (!files.length) {
    if (said) complain(said);
    return;
  }
  const wasChosen = find("welcome").contains(document.activeElement);
  forget();
  [state.files, state.leftOut] = [files, said];
  strip.list(names(), files);
  select(0);
  send();
  complain(said);
  if (wasChosen) find("stage").focus(); // What was chosen with is gone.
}

function forget() {
  leave();
  state = empty();
  pictures.clear();
  viewer.clear();
}

// Stop what is under way, here and at the service.
function leave() {
  state.running?.abort();
  state.running = null;
  if (state.job && !finished(state.job)) request(state.job.links.self, { method: "DELETE" }).catch(() => {});
}

const send = () => run("sending", async signal => {
  const job = await sent(signal);
  history.pushState(null, "", `#${job.id}`);
  return job;
});

// The same files with the settings as they are now.
const again = () => run("working", async signal => {
  progress(null, "Waiting for the service");
  const job = await json(`${state.job.links.self}/again`, { method: "POST", body: new URLSearchParams(settings.fields), signal })
    // Jobs expire, and their files with them; the user's own may still be at hand.
    .catch(error => error.status === 404 && state.files.length ? sent(signal) : Promise.reject(error));
  history.replaceState(null, "", `#${job.id}`);
  return job;
});

async function sent(signal) {
  await offered; // before that, there is no model to name
  const form = new FormData();
  for (const [name, value] of Object.entries(settings.fields)) form.append(name, value);
  for (const file of state.files) form.append("files", file, file.name);
  for (const file of state.references) form.append("references", file, file.name);
  tell(`Sending ${count(state.files.length)}.`);
  const size = bytes(sizeOf([...state.files, ...state.references]));
  const told = share => progress(share, share < 1 ? `Sending, ${percent(share)} of ${size}${remaining(share)}` : "Waiting for the service");
  state.began = performance.now();
  return upload("v1/jobs", form, { told, signal });
}

/** Run `start(signal)`, which resolves to a job, in place of what is under way; then follow the job to its end. */
async function run(name, start) {
  leave();
  const running = state.running = new AbortController();
  const { signal } = running;
  complain();
  phase(name);
  try {
    const job = await patiently(() => start(signal), signal);
    state.began = performance.now();
    phase("working");
    show(job);
    const lost = () => progress(null, "The service does not answer; trying again");
    for await (const now of follow(job, lost, signal)) { signal.throwIfAborted(); show(now); }
    signal.throwIfAborted();
    state.running = null;
    ended();
  } catch (error) {
    if (state.running !== running) return;
    state.running = null;
    const isCancelled = error.name === "AbortError";
    if (!isCancelled && !(error instanceof Refusal)) throw error;
    complain(isCancelled ? "" : error.message);
    tell(isCancelled ? "Cancelled." : "");
    phase(names().length ? "done" : "empty");
    if (names().length) select(state.selected);
  }
}

/** Call `start` until the service is not too busy for it. */
async function patiently(start, signal) {
  for (;;) {
    try { return await start(); } catch (error) {
      if (!error.retryAfter || ![429, 503].includes(error.status)) throw error;
      tell("The service is busy. The images are sent again as soon as it is not.");
      for (let left = Math.ceil(error.retryAfter); left > 0; left--) {
        progress(null, `The service is busy; again in ${left} s`);
        await pause(1, signal);
      }
    }
  }
}

function cancel() {
  // What is with the service tells itself when it has stopped.
  if (state.running && state.job && !finished(state.job)) request(state.job.links.self, { method: "DELETE" }).catch(error => complain(error.message));
  else state.running?.abort();
  find("stage").focus();
}

// ---- a job as it stands

function phase(name) {
  document.body.dataset.phase = name;
  const isBusy = name === "sending" || name === "working";
  find("welcome").hidden = name !== "empty";
  find("viewer").hidden = name === "empty";
  find("work").hidden = !isBusy;
  find("stage").setAttribute("aria-busy", isBusy);
  tellReferences();
  offerToApply();
}

function offerToApply() {
  find("apply").hidden = !(state.isDue || (state.files.length && !state.job && !state.running));
  find("apply").textContent = state.job ? "Clean all again" : "Clean";
}

function show(job) {
  const old = state.job;
  state.job = job;
  const total = job.items.length;
  if (old?.items.length !== total) strip.list(names(), state.files);
  strip.update(job.items);
  const done = job.items.filter(finished).length;
  if (old?.id !== job.id) tell(`Cleaning ${count(total)}.`);
  else if (total > 1 && done > old.items.filter(finished).length && done < total) tell(`${done} of ${total} done.`);
  const which = total > 1 ? `${Math.min(done + 1, total)} of ${total}, ` : "";
  const words = `Cleaning ${which}${percent(job.progress)}${remaining(job.progress)}`;
  progress(job.status === "queued" ? null : job.progress, job.status === "queued" ? "Waiting for its turn" : words);
  select(state.selected);
}

function remaining(share) {
  const passed = (performance.now() - state.began) / 1000;
  return share > 0.05 && share < 1 && passed > 3 ? `, about ${duration(passed * (1 - share) / share)} left` : "";
}

function ended() {
  const { job, kept } = state;
  const done = job.items.filter(item => item.status === "done");
  const failed = job.items.filter(item => item.status === "failed");
  if (done.length) state.kept = job;
  else if (job.status === "cancelled" && kept) {
    state.job = kept;
    settings.adopt(kept);
    strip.update(kept.items);
    history.replaceState(null, "", `#${kept.id}`);
  }
  phase("done");
  select(state.selected);
  const level = done[0]?.facts.sigma;
  if (job.status === "cancelled") tell("Cancelled.");
  else if (job.items.length > 1) tell(`${done.length} of ${job.items.length} done.`);
  else tell(!done.length ? "" : `${done[0].name} is done.${typeof level === "number" ? ` Noise level ${level.toFixed(1)} of 255.` : ""}`);
  if (failed.length) complain(`${state.leftOut} ${failed.length > 1 ? `${count(failed.length)} failed; the first: ` : ""}${reason(failed[0])}`.trim());
}

// ---- one image of it

function select(index) {
  const isOther = index !== state.selected;
  if (isOther) { viewer.clear(); state.shown = ""; }
  state.selected = index;
  strip.select(index, isOther);
  const { job } = state;
  const name = names()[index];
  const item = job?.items[index];
  const isDone = item?.status === "done";
  const share = state.running && job && !finished(job) ? `${percent(job.progress)} ` : "";
  find("title").textContent = name ?? "";
  document.title = name ? `${share}${name} – Pellucid` : "Pellucid";
  find("results").hidden = !job?.items.some(({ status }) => status === "done");
  find("facts").hidden = !isDone;
  settings.estimated(isDone ? item.facts.sigma : null);
  link(find("download"), isDone && item.links.result);
  link(find("download-all"), job?.items.length > 1 && finished(job) && job.links.result);
  if (name) draw(name, item, state.files[index]).catch(error => complain(`${name} cannot be shown: ${error.message}`));
}

function link(anchor, target) {
  anchor.hidden = !target;
  if (target) anchor.href = address(target);
  else anchor.removeAttribute("href");
}

async function draw(name, item, file) {
  const isDone = item?.status === "done";
  const key = isDone ? item.links.result : name;
  plate();
  // While another strength is at work, the last result stays.
  if (key === state.shown || (!isDone && state.shown)) return;
  state.shown = key;
  const isLate = () => state.shown !== key;
  if (isDone) {
    tellFacts(item.facts, state.job.sigma === "auto");
    const [before, after, difference] = await Promise.all(["before", "after", "difference"].map(which => pictures.get(address(item.links[which]).href)));
    if (isLate()) return;
    const { width, height, difference_gain: gain } = item.facts;
    await viewer.show({ name, width, height, gain, before: before.url, after: after.url, difference: difference.url });
    strip.picture(item.number - 1, before.blob);
  } else if (file && BROWSER_SHOWS.test(file.type)) {
    const { url } = await pictures.get(file);
    // What the browser cannot read may still be something for the service.
    if (!isLate()) await viewer.show({ name, before: url }).catch(() => viewer.clear());
  }
  if (!isLate()) plate();
}

// Where there is nothing to see, the frame says why.
function plate() {
  const name = names()[state.selected] ?? "";
  const item = state.job?.items[state.selected];
  const texts = { failed: item?.error, cancelled: "Cancelled before it was done." };
  const waits = state.running ? "It is shown once it is clean." : "Not sent.";
  const text = item?.status === "failed" || !viewer.has ? texts[item?.status] ?? (item?.status === "done" ? "" : waits) : "";
  find("plate").hidden = !text;
  find("plate").classList.toggle("over", viewer.has);
  find("plate-name").textContent = text.includes(name) ? "" : name;
  find("plate-text").textContent = text;
}

// ---- the user's hand

function settingsChanged() {
  // Many images are not done anew with every touch of a slider.
  state.isDue = names().length > 1;
  offerToApply();
  if (names().length === 1) apply();
}

function apply() {
  state.isDue = false;
  if (state.job) again();
  else if (state.files.length) send();
}

function tellReferences() {
  const { files, references, job } = state;
  find("reference-remove").hidden = !references.length;
  find("reference-choose").hidden = references.length > 0;
  find("reference-choose").disabled = !files.length;
  const names = references.length === 1 ? references[0].name : count(references.length);
  find("reference-hint").textContent = references.length ? names : job && !files.length ? "Drop the image again to compare it with a clean take." : MEASURES;
}

function compareWith(references) {
  const wasHere = find("reference-field").contains(document.activeElement);
  const { files, said } = admitted(references, limits, state.files);
  if (said) { complain(said); return; }
  state.references = files;
  send();
  // Of the two buttons, one takes the other's place.
  if (wasHere) find(references.length ? "reference-remove" : "reference-choose").focus();
}

// A link cannot send a token: then the file is fetched first.
async function save(event) {
  if (!hasToken()) return;
  event.preventDefault();
  const response = await request(event.currentTarget.href).catch(error => complain(error.message));
  if (!response) return;
  const said = response.headers.get("Content-Disposition");
  const name = /filename\*=UTF-8''([^;]+)/i.exec(said) ?? /filename="?([^";]+)/i.exec(said);
  const url = URL.createObjectURL(await response.blob());
  Object.assign(document.createElement("a"), { href: url, download: name ? decodeURIComponent(name[1]) : "" }).click();
  setTimeout(URL.revokeObjectURL, 60_000, url);
}

async function tryExample() {
  const response = await request("static/example.jpg").catch(error => complain(error.message));
  if (response) begin([new File([await response.blob()], "mountains.jpg", { type: "image/jpeg" })]);
}

function listenToControls() {
  const on = (id, what, then) => find(id).addEventListener(what, then);
  const chosen = (id, take) => on(id, "change", ({ target }) => { const files = [...target.files]; target.value = ""; take(files); });
  for (const id of ["choose", "choose-more"]) on(id, "click", () => find("files").click());
  chosen("files", begin);
  on("reference-choose", "click", () => find("reference-files").click());
  chosen("reference-files", files => { if (files.length) compareWith(files); });
  on("reference-remove", "click", () => compareWith([]));
  on("example", "click", tryExample);
  on("cancel", "click", cancel);
  on("settings", "submit", event => {
    event.preventDefault();
    if (names().length && settings.valid) apply();
  });
  on("views", "change", event => { viewer.view = event.target.value; });
  for (const id of ["download", "download-all"]) on(id, "click", save);
  listen(find("drop"), (files, target) => {
    if (files.length && state.files.length && target?.closest?.("#reference-field")) compareWith(files);
    else begin(files);
  });
  addEventListener("popstate", open);
}

/** Show the job that the address names, or the empty page. */
function open() {
  const id = location.hash.slice(1);
  if (state.job && id === state.job.id) return;
  forget();
  strip.list([], []);
  select(0);
  phase("empty");
  if (/^[\w-]+$/.test(id)) run("working", async signal => {
    progress(null, "Fetching it");
    const [job] = await Promise.all([json(`v1/jobs/${id}`, { signal }), offered]);
    settings.adopt(job);
    return job;
  });
}

async function offer() {
  const found = await json("v1/models");
  settings.offer(found);
  limits = found.limits;
  const formats = found.formats.map(name => name.toUpperCase()).join(", ");
  find("limits").textContent = `${formats}; up to ${bytes(limits.max_bytes)} and ${Math.round(limits.max_pixels / 1e6)} megapixels each, ${bytes(limits.max_batch_bytes)} together.`;
}

onTokenNeeded(askToken);
listenToControls();
offered = offer();
offered.catch(error => complain(error.message));
open();
