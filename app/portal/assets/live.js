// Server-sent events of jobs, with a banner while the connection is lost. Pages that nobody sees hold no connection:
// by HTTP/1.1, a browser has six for all pages of a server.

import { signIn } from "./api.js";

const BANNER_AFTER_MS = 1500;
const AGAIN_AFTER_MS = 5000;

// Calls `job` with the state of every job that changes, `event` with what happens, `deleted` with the id of a job that is
// gone, and `again` when the page listens again: deletions in between were not told. `after`: the number of the last
// event that the page knows.
export function listen(path, after, { job = () => {}, event = () => {}, deleted = () => {}, again: backAgain = () => {} }) {
  const banner = document.getElementById("connection");
  let last = after;
  let offline = 0;
  let again = 0;
  let source = null;
  let heard = false;

  function told(lost) {
    clearTimeout(offline);
    offline = lost ? setTimeout(() => (banner.hidden = false), BANNER_AFTER_MS) : 0;
    if (!lost) banner.hidden = true;
  }

  function open() {
    close();
    if (document.hidden) return;
    const opened = new EventSource(`${path}?after=${last}`);
    source = opened;
    opened.addEventListener("open", () => {
      told(false);
      if (heard) backAgain();
      heard = true;
    });
    opened.addEventListener("job_event", (message) => {
      last = message.lastEventId || last;
      event(JSON.parse(message.data));
    });
    opened.addEventListener("job", (message) => job(JSON.parse(message.data)));
    opened.addEventListener("job_deleted", (message) => deleted(JSON.parse(message.data).id));
    opened.addEventListener("error", () => {
      told(true);
      // The browser tries again by itself, unless the server refused.
      if (opened.readyState === EventSource.CLOSED) refused(opened);
    });
  }

  function close() {
    clearTimeout(again);
    source?.close();
    source = null;
  }

  async function refused(stream) {
    const answer = await fetch(`${path}?after=${last}&limit=1`, { credentials: "same-origin" }).catch(() => null);
    if (answer?.status === 401) signIn();
    else if (answer?.status === 404) deleted(null); // The job of this page went while nobody listened.
    else if (source === stream) again = setTimeout(open, AGAIN_AFTER_MS);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) open();
    else {
      close();
      told(false);
    }
  });
  addEventListener("pagehide", close);
  // Browsers may keep a page that was left, without its stream, and show it again.
  addEventListener("pageshow", (shown) => {
    if (shown.persisted) open();
  });
  open();
}
