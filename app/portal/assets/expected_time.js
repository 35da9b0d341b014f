// How long jobs will take, in words, from what earlier jobs took on this server.

import { filled, texts } from "./texts.js";

const MINUTE_S = 60;
const HOUR_S = 3600;

// `plans` are answers of preflight, one for each job.
export function expectedTimeOf(plans) {
  const times = plans.map((plan) => plan.expected_time);
  if (!times.length || times.includes(null)) return texts.TIME_UNKNOWN;
  const shortest = durationOf(Math.min(...times.map((time) => time.shortest_s)));
  const longest = durationOf(Math.max(...times.map((time) => time.longest_s)));
  return filled(shortest === longest ? texts.TIME_ABOUT : texts.TIME_BETWEEN, { shortest, longest });
}

function durationOf(seconds) {
  if (seconds < MINUTE_S) return `${Math.max(Math.round(seconds), 1)} s`;
  if (seconds < HOUR_S) return `${Math.round(seconds / MINUTE_S)} min`;
  return `${(seconds / HOUR_S).toFixed(1)} h`;
}
