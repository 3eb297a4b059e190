// What the page says: to screen readers, of what went wrong, how far the work is; and the question for the token.

const find = id => document.getElementById(id);
const THIN = "\u2009";

export const count = number => `${number} image${number === 1 ? "" : "s"}`;

export const percent = share => `${Math.round(100 * share)}${THIN}%`;

export function bytes(number) {
  const units = ["bytes", "kB", "MB", "GB"];
  const step = Math.min(Math.floor(Math.log10(Math.max(number, 1)) / 3), units.length - 1);
  const shown = number / 1000 ** step;
  return `${Number(shown.toFixed(shown < 10 ? 1 : 0))} ${units[step]}`;
}

export function duration(seconds) {
  if (seconds < 1) return `${Math.max(1, Math.round(1000 * seconds))} ms`;
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return `${Math.round(seconds / 60)} min`;
}

/** Why an image of a job failed, with its name. */
export const reason = ({ name, error }) => error.includes(name) ? error : `${name}: ${error}`;

/** Say something to those who do not see the page. */
export function tell(text) { find("status").textContent = text; }

/** Say what went wrong; nothing takes it away. */
export function complain(text = "") {
  find("notice").textContent = text;
  find("notice").classList.toggle("shown", Boolean(text));
}

/** Show how far the work is, or that it is not known if `share` is null. */
export function progress(share, text) {
  if (share === null) find("progress").removeAttribute("value");
  else find("progress").value = share;
  find("work-text").textContent = text;
}

/** Ask for the token; resolves to what is typed. */
export function askToken(wasRefused) {
  const [dialog, input] = [find("token-dialog"), find("token")];
  find("token-refused").hidden = !wasRefused;
  input.value = "";
  dialog.showModal();
  return new Promise(resolve => {
    dialog.addEventListener("close", function closed() {
      // Escape closes it too, but there is no going on without a token.
      if (!input.value) { dialog.showModal(); return; }
      dialog.removeEventListener("close", closed);
      resolve(input.value);
    });
  });
}
