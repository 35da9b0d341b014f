// The card of a job: made from the template `job-card`, filled from the job's document.

import { api } from "./api.js";
import * as words from "./job_words.js";
import { filled, texts } from "./texts.js";

const MAKES_IMAGES = new Set(["denoise", "predict"]);
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

export function hasEnded(job) {
  return ENDED.has(job.state);
}

// Returns a new card. `deleted`: called when the person has deleted the job.
export function makeCard(job, deleted) {
  const card = document.getElementById("job-card").content.cloneNode(true).firstElementChild;
  card.id = job.id;
  for (const button of card.querySelectorAll("[data-action]")) {
    button.addEventListener("click", () => act(card, button, deleted));
  }
  field(card, "name").href = `/jobs/${encodeURIComponent(job.id)}`;
  field(card, "result").href = `/results/${encodeURIComponent(job.id)}`;
  show(card, job);
  return card;
}

// Shows a job's document on its card; tells people who cannot see it when its state changes.
export function show(card, job) {
  const before = card.dataset.state;
  card.dataset.state = job.state;
  const name = words.nameOf(job);
  write(card, "name", name);
  write(card, "kind", words.kindOf(job));
  write(card, "state", words.stateOf(job.state));
  write(card, "stage", words.stageOf(job));
  write(card, "left", words.leftOf(job));
  const created = field(card, "created");
  created.dateTime = job.created_at;
  write(card, "created", words.whenOf(job.created_at));
  const progress = field(card, "progress");
  progress.value = job.progress;
  progress.setAttribute("aria-label", filled(texts.PROGRESS_OF, { name }));
  card.querySelector("[data-part=progress]").hidden = job.state !== "running";
  write(card, "error", job.error === null ? "" : job.error.detail);
  field(card, "result").hidden = job.state !== "succeeded" || !MAKES_IMAGES.has(job.kind);
  hideUnless(card, "cancel", !hasEnded(job));
  hideUnless(card, "retry", job.state === "failed" || job.state === "cancelled");
  hideUnless(card, "delete", hasEnded(job));
  if (before !== undefined && before !== job.state) {
    announce(`${name}: ${words.stateOf(job.state)}`);
  }
}

async function act(card, button, deleted) {
  const { action } = button.dataset;
  const name = field(card, "name").textContent;
  if (action === "delete" && !(await confirmed(filled(texts.DELETE_QUESTION, { name })))) return;
  write(card, "refusal", "");
  button.setAttribute("aria-busy", "true");
  try {
    const path = `/v1/jobs/${encodeURIComponent(card.id)}`;
    if (action === "delete") {
      await api(path, { method: "DELETE" });
      announce(filled(texts.DELETED, { name }));
      deleted();
    } else {
      await api(`${path}/${action}`, { method: "POST" });
    }
  } catch (problem) {
    write(card, "refusal", problem.message);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function confirmed(question) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-question").textContent = question;
  dialog.returnValue = "no";
  for (const button of dialog.querySelectorAll("[data-answer]")) {
    button.onclick = () => dialog.close(button.dataset.answer);
  }
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function announce(text) {
  document.getElementById("announcements").textContent = text;
}

function field(card, name) {
  return card.querySelector(`[data-field=${name}]`);
}

// Writes text, never markup: names of files come from strangers.
function write(card, name, text) {
  const element = field(card, name);
  if (element.textContent !== text) element.textContent = text;
  if (name === "error" || name === "refusal") element.hidden = text === "";
}

function hideUnless(card, action, allowed) {
  const button = card.querySelector(`[data-action=${action}]`);
  if (button !== null) button.hidden = !allowed;
}
