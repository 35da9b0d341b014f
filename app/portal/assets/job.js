// The live page of one job.

import { pageData } from "./data.js";
import { hasEnded, makeCard, show } from "./job_card.js";
import * as words from "./job_words.js";
import { listen } from "./live.js";
import { texts } from "./texts.js";

const place = document.getElementById("job");
const first = pageData("activity");
const known = new Set();
const card = makeCard(first, () => location.assign("/jobs"));
place.append(card);

function showStages(stages) {
  document.getElementById("stages-section").hidden = stages.length === 0;
  document.getElementById("stage-list").replaceChildren(
    ...stages.map((stage) => {
      const item = document.createElement("li");
      const channel = stage.channel === null ? "" : ` (${texts.CHANNEL} ${stage.channel + 1})`;
      const percent = stage.state === "running" ? `, ${Math.floor(100 * stage.progress)} %` : "";
      item.textContent = `${words.stageName(stage.stage)}${channel}: ${words.stateOf(stage.state)}${percent}`;
      item.dataset.state = stage.state;
      return item;
    }),
  );
}

function addEvent(event) {
  if (known.has(event.number)) return;
  known.add(event.number);
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.dateTime = event.at;
  time.textContent = words.whenOf(event.at);
  const what = texts.EVENTS[event.kind] ?? event.kind.replaceAll("_", " ");
  const why = event.detail.reason ?? event.detail.detail ?? event.detail.error;
  item.append(time, typeof why === "string" ? ` ${what}: ${why}` : ` ${what}`);
  document.getElementById("event-list").append(item);
}

function addWarning(text) {
  const item = document.createElement("li");
  item.className = "notice warn";
  item.textContent = text;
  document.getElementById("warning-list").append(item);
  document.getElementById("warnings-section").hidden = false;
}

showStages(first.stages);
for (const event of pageData("events-so-far")) addEvent(event);

listen(`/v1/jobs/${encodeURIComponent(first.id)}/events`, place.dataset.after, {
  job(job) {
    // The server renders the result, and takes that of an earlier attempt away.
    if (hasEnded(job) !== hasEnded(first)) location.reload();
    show(card, job);
    showStages(job.stages);
  },
  deleted() {
    location.assign("/jobs");
  },
  event(event) {
    if (event.kind === "warning" && !known.has(event.number)) addWarning(event.detail.detail);
    addEvent(event);
  },
});
