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

function cards() {
  return [...list.querySelectorAll("article.job")];
}

function createdMs(card) {
  return Date.parse(card.querySelector("[data-field=created]").dateTime);
}

// Adds a job in the order of the server: newest first.
function add(job) {
  const item = document.createElement("li");
  item.append(makeCard(job, () => remove(job.id)));
  const older = cards().find((card) => createdMs(card) < Date.parse(job.created_at));
  list.insertBefore(item, older?.closest("li") ?? null);
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

// Takes away what is gone since this page of the list was loaded. What the server's page does not hold may still be
// there: what came while it was fetched, and older jobs, which newer ones have pushed off it.
async function reconcile() {
  const before = cards();
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const data = page.getElementById("activities");
  if (data === null) return; // Another page: the key has ended.
  const activities = JSON.parse(data.textContent);
  const there = new Set(activities.map((job) => job.id));
  const isLast = page.getElementById("jobs").dataset.last === "yes";
  const oldestMs = isLast ? -Infinity : Math.min(...activities.map((job) => Date.parse(job.created_at)));
  for (const card of before) if (!there.has(card.id) && createdMs(card) >= oldestMs) remove(card.id);
  for (const job of activities) {
    if (document.getElementById(job.id) === null && list.dataset.first === "yes") add(job);
  }
}

for (const job of pageData("activities")) add(job);

listen("/v1/jobs/events", list.dataset.after, {
  job(job) {
    const card = document.getElementById(job.id);
    if (card !== null && isShown(job)) show(card, job);
    else if (card !== null) remove(job.id);
    else if (list.dataset.first === "yes" && isShown(job)) add(job);
  },
  deleted: remove,
  again: reconcile,
});
