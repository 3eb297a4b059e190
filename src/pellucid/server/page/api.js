// Requests to the service: with the token where there is one, uploads with progress, and the events of a job.

const TOKEN = "pellucid-token";
const MAX_RETRIES = 30; // of a lost connection

/** An error response of the service, or no response (status 0). */
export class ApiError extends Error {
  constructor(status, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

let askForToken = async () => { throw new ApiError(401, "The service needs a token."); };
let pendingToken = null;

/** Call `ask(wasRefused)` when a token is needed; it resolves to the token. */
export function onTokenNeeded(ask) { askForToken = ask; }

export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

export const address = link => new URL(link, document.baseURI);

const authorization = () => hasToken() ? { Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}` } : {};

async function newToken(used) {
  // Several requests may be refused at once: ask once, and not at all if the token has changed since.
  if (used && used !== authorization().Authorization) return;
  pendingToken ??= askForToken(hasToken()).finally(() => { pendingToken = null; });
  sessionStorage.setItem(TOKEN, await pendingToken);
}

function errorFrom(status, body, headers) {
  let problem = {};
  try { problem = JSON.parse(body); } catch { /* The error page of a proxy: the status is enough. */ }
  const detail = typeof problem.detail === "string" ? problem.detail : problem.title;
  const seconds = Number(headers("Retry-After"));
  return new ApiError(status, detail || `The service answered with status ${status}.`, seconds > 0 ? seconds : null);
}

const noResponse = () => new ApiError(0, "The service does not answer. Is it still running?");

/** Fetch `link`; resolves to a successful response. */
export async function request(link, options = {}) {
  for (;;) {
    const used = authorization();
    const response = await fetch(address(link), { ...options, headers: { ...options.headers, ...used } }).catch(error => {
      throw error.name === "AbortError" ? error : noResponse();
    });
    if (response.status === 401) await newToken(used.Authorization);
    else if (response.ok) return response;
    else throw errorFrom(response.status, await response.text(), name => response.headers.get(name));
  }
}

export const json = async (link, options) => (await request(link, options)).json();

/** POST a form; `onProgress(fraction)` is called with the part that is sent. Resolves to the JSON of the response. */
export async function upload(link, form, { onProgress = () => {}, signal } = {}) {
  for (;;) {
    const used = authorization();
    const response = await send(link, form, used, onProgress, signal);
    if (response.status === 401) await newToken(used.Authorization);
    else if (response.status >= 200 && response.status < 300) return JSON.parse(response.responseText);
    else throw errorFrom(response.status, response.responseText, name => response.getResponseHeader(name));
  }
}

// fetch does not report the progress of an upload.
function send(link, form, headers, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const onAbort = () => reject(new DOMException("Cancelled", "AbortError"));
    if (signal?.aborted) { onAbort(); return; }
    xhr.open("POST", address(link));
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = event => { if (event.lengthComputable) onProgress(event.loaded / event.total); };
    xhr.onload = () => resolve(xhr);
    xhr.onerror = () => reject(noResponse());
    xhr.onabort = onAbort;
    signal?.addEventListener("abort", () => xhr.abort(), { once: true });
    xhr.send(form);
  });
}

export const finished = job => ["done", "failed", "cancelled"].includes(job.status);

export const pause = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, 1000 * seconds);
  signal?.addEventListener("abort", () => { clearTimeout(timer); reject(new DOMException("Cancelled", "AbortError")); }, { once: true });
});

// EventSource cannot send a token.
async function* events(link, signal) {
  const response = await request(link, { headers: { Accept: "text/event-stream" }, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).split(/\r?\n\r?\n/);
    text = parts.pop();
    for (const part of parts) {
      const data = part.split(/\r?\n/).filter(line => line.startsWith("data:")).map(line => line.slice(5)).join("\n");
      if (data) yield JSON.parse(data);
    }
  }
}

/** Yield `job` at each change until it is finished; after `onLost()`, a lost connection is opened again. */
export async function* follow(job, onLost, signal) {
  for (let tries = 0; !finished(job); tries++) {
    try {
      for await (job of events(job.links.events, signal)) { tries = 0; yield job; }
      if (finished(job)) return;
      yield job = await json(job.links.self, { signal });
    } catch (error) {
      if (error.name === "AbortError" || tries >= MAX_RETRIES || (error.status >= 400 && error.status < 500)) throw error;
      onLost();
    }
    if (!finished(job)) await pause(Math.min(1 + tries, 5), signal);
  }
}
