// What the page asks of the service: requests with the token where there is one, uploads that tell how far they are,
// and a job's events.

const TOKEN = "pellucid-token";
const PATIENCE = 30; // times that a lost connection is tried again

/** What the service refused, or that it does not answer (status 0). */
export class Refusal extends Error {
  constructor(status, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

let askForToken = async () => { throw new Refusal(401, "The service asks for a token."); };
let asking = null;

/** Have `ask(wasRefused)` called when a token is needed; it resolves to what was typed. */
export function onTokenNeeded(ask) { askForToken = ask; }

export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

export const address = link => new URL(link, document.baseURI);

const authorization = () => hasToken() ? { Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}` } : {};

async function newToken(used) {
  // Several requests may be refused at once; one question is enough, and none where another has been answered since.
  if (used && used !== authorization().Authorization) return;
  asking ??= askForToken(hasToken()).finally(() => { asking = null; });
  sessionStorage.setItem(TOKEN, await asking);
}

function refusal(status, body, headers) {
  let problem = {};
  try { problem = JSON.parse(body); } catch { /* A proxy's own error page: the status says enough. */ }
  const detail = typeof problem.detail === "string" ? problem.detail : problem.title;
  const wait = Number(headers("Retry-After"));
  return new Refusal(status, detail || `The service answered with status ${status}.`, wait > 0 ? wait : null);
}

const silence = () => new Refusal(0, "The service does not answer. Is it still running?");

/** Fetch `link`; the response is one that succeeded. */
export async function request(link, options = {}) {
  for (;;) {
    const used = authorization();
    const response = await fetch(address(link), { ...options, headers: { ...options.headers, ...used } }).catch(error => {
      throw error.name === "AbortError" ? error : silence();
    });
    if (response.status === 401) await newToken(used.Authorization);
    else if (response.ok) return response;
    else throw refusal(response.status, await response.text(), name => response.headers.get(name));
  }
}

export const json = async (link, options) => (await request(link, options)).json();

/** POST a form; `told(share)` hears how much of it is sent. Resolves to the answer's JSON. */
export async function upload(link, form, { told = () => {}, signal } = {}) {
  for (;;) {
    const used = authorization();
    const sent = await send(link, form, used, told, signal);
    if (sent.status === 401) await newToken(used.Authorization);
    else if (sent.status >= 200 && sent.status < 300) return JSON.parse(sent.responseText);
    else throw refusal(sent.status, sent.responseText, name => sent.getResponseHeader(name));
  }
}

// fetch does not tell how much of a body is sent.
function send(link, form, headers, told, signal) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    const aborted = () => reject(new DOMException("Cancelled", "AbortError"));
    if (signal?.aborted) { aborted(); return; }
    sending.open("POST", address(link));
    for (const [name, value] of Object.entries(headers)) sending.setRequestHeader(name, value);
    sending.upload.onprogress = event => { if (event.lengthComputable) told(event.loaded / event.total); };
    sending.onload = () => resolve(sending);
    sending.onerror = () => reject(silence());
    sending.onabort = aborted;
    signal?.addEventListener("abort", () => sending.abort(), { once: true });
    sending.send(form);
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

/** Yield `job` at each change until it is finished; a connection that breaks is taken up again, once `lost()` is told. */
export async function* follow(job, lost, signal) {
  for (let tries = 0; !finished(job); tries++) {
    try {
      for await (job of events(job.links.events, signal)) { tries = 0; yield job; }
      if (finished(job)) return;
      yield job = await json(job.links.self, { signal });
    } catch (error) {
      if (error.name === "AbortError" || tries >= PATIENCE || (error.status >= 400 && error.status < 500)) throw error;
      lost();
    }
    if (!finished(job)) await pause(Math.min(1 + tries, 5), signal);
  }
}
