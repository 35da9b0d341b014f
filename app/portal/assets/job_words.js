// What is said of a job, in words.

import { filled, texts } from "./texts.js";

const MINUTE_S = 60;
const HOUR_S = 3600;

export function nameOf(job) {
  const name = job.images === 0 ? kindOf(job) : (job.image_name ?? texts.DELETED_IMAGE);
  return job.images > 1 ? filled(texts.AND_MORE, { name, more: job.images - 1 }) : name;
}

export function kindOf(job) {
  const kind = texts.KINDS[job.kind] ?? job.kind;
  return job.preset ? `${kind}, ${texts.PRESETS[job.preset] ?? job.preset}` : kind;
}

export function stateOf(state) {
  return texts.STATES[state] ?? state;
}

export function stageOf(job) {
  if (job.state !== "running") return "";
  const stage = stageName(job.stage);
  return job.status ? `${stage}: ${job.status}` : stage;
}

export function stageName(stage) {
  return texts.STAGES[stage] ?? stage.replaceAll("_", " ");
}

export function leftOf(job) {
  const seconds = job.seconds_left;
  if (seconds === null || job.state !== "running") return "";
  if (seconds < MINUTE_S) return texts.LEFT_MOMENT;
  if (seconds < HOUR_S) return filled(texts.LEFT_MINUTES, { minutes: Math.round(seconds / MINUTE_S) });
  const hours = Math.floor(seconds / HOUR_S);
  return filled(texts.LEFT_HOURS, { hours, minutes: Math.round((seconds % HOUR_S) / MINUTE_S) });
}

export function whenOf(time) {
  return new Date(time).toLocaleString();
}
