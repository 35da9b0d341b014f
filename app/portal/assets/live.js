// Server-sent events of jobs, with a banner while the connection is lost.

import { signIn } from "./api.js";

const BANNER_AFTER_MS = 1500;
const AGAIN_AFTER_MS = 5000;

// Calls `job` with the state of every job that changes, and `event` with what happens. `after`: the number of the
// last event that the page knows.
export function listen(path, after, { job = () => {}, event = () => {} }) {
  const banner = document.getElementById("connection");
  let last = after;
  let offline = 0;

  function told(lost) {
    clearTimeout(offline);
    offline = lost ? setTimeout(() => (banner.hidden = false), BANNER_AFTER_MS) : 0;
    if (!lost) banner.hidden = true;
  }

  function open() {
    const source = new EventSource(`${path}?after=${last}`);
    source.addEventListener("open", () => told(false));
    source.addEventListener("job_event", (message) => {
      last = message.lastEventId || last;
      event(JSON.parse(message.data));
    });
    source.addEventListener("job", (message) => job(JSON.parse(message.data)));
    source.addEventListener("error", () => {
      told(true);
      // The browser tries again by itself, unless the server refused.
      if (source.readyState === EventSource.CLOSED) refused();
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  }

  async function refused() {
    const answer = await fetch("/v1/jobs?limit=1", { credentials: "same-origin" }).catch(() => null);
    if (answer !== null && answer.status === 401) signIn();
    else setTimeout(open, AGAIN_AFTER_MS);
  }

  // Browsers may keep a page that was left, without its stream, and show it again.
  addEventListener("pageshow", (shown) => {
    if (shown.persisted) open();
  });
  open();
}
