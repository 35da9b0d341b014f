// The live list of jobs.

import { pageData } from "./data.js";
import { makeCard, show } from "./job_card.js";
import { listen } from "./live.js";

const list = document.getElementById("jobs");
const empty = document.getElementById("empty");
const { state } = list.dataset;

function isShown(job) {
  return state === "" || job.state === state;
}

function add(job, newest) {
  const item = document.createElement("li");
  item.append(makeCard(job, () => remove(job.id)));
  if (newest) list.prepend(item);
  else list.append(item);
  empty.hidden = true;
}

function remove(id) {
  const item = document.getElementById(id)?.closest("li");
  if (!item) return;
  const focused = item.contains(document.activeElement);
  item.remove();
  empty.hidden = list.children.length > 0;
  if (focused) document.getElementById("content").focus(); // The keyboard goes on from here.
}

// Takes away what is gone from this page of the list since it was loaded.
async function reconcile() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const data = page.getElementById("activities");
  if (data === null) return; // Another page: the key has ended.
  const activities = JSON.parse(data.textContent);
  const there = new Set(activities.map((job) => job.id));
  for (const card of [...list.querySelectorAll("article.job")]) if (!there.has(card.id)) remove(card.id);
  for (const job of activities.toReversed()) {
    if (document.getElementById(job.id) === null && list.dataset.first === "yes") add(job, true);
  }
}

for (const job of pageData("activities")) add(job, false);

listen("/v1/jobs/events", list.dataset.after, {
  job(job) {
    const card = document.getElementById(job.id);
    if (card !== null && isShown(job)) show(card, job);
    else if (card !== null) remove(job.id);
    else if (list.dataset.first === "yes" && isShown(job)) add(job, true);
  },
  deleted: remove,
  again: reconcile,
});
