// Sends frames of a static scene, and has a noise model checked or fitted with them.

import { api } from "./api.js";
import { filled, texts } from "./texts.js";

const ENDED = ["succeeded", "failed", "cancelled"];
const BETWEEN_LOOKS_MS = 2000;

async function upload(form, file) {
  const query = new URLSearchParams({
    filename: file.name,
    role: "calibration",
    microscope: form.dataset.microscope,
    profile: form.dataset.profile,
  });
  const response = await api(`/v1/images?${query}`, { method: "POST", body: file });
  return (await response.json()).id;
}

async function ended(jobId) {
  for (;;) {
    const job = await (await api(`/v1/jobs/${jobId}`)).json();
    if (ENDED.includes(job.state)) return job;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS_MS));
  }
}

function summary(job) {
  if (job.state !== "succeeded") throw new Error(job.error?.detail ?? filled(texts.ENDED, { state: job.state }));
  const values = job.result.values;
  const told = [values.camera?.told ?? texts.FITTED, ...(values.warnings ?? [])];
  return told.join(". ");
}

async function submitted(event) {
  event.preventDefault();
  const form = event.target;
  const status = form.querySelector('[role="status"]');
  const alert = form.querySelector('[role="alert"]');
  alert.hidden = true;
  form.setAttribute("aria-busy", "true");
  try {
    status.textContent = texts.SENDING;
    const spec = { kind: form.elements.kind.value, image_ids: [await upload(form, form.elements.frames.files[0])] };
    const dark = form.elements.dark.files[0];
    if (dark) spec.dark_image_ids = [await upload(form, dark)];
    const channel = form.elements.channel.value.trim();
    if (channel) spec.for_channel = channel;
    const job = await (await api("/v1/jobs", { method: "POST", json: spec })).json();
    status.textContent = filled(texts.RUNNING, { id: job.id });
    status.textContent = summary(await ended(job.id));
  } catch (problem) {
    status.textContent = "";
    alert.textContent = problem.message;
    alert.hidden = false;
  } finally {
    form.removeAttribute("aria-busy");
  }
}

for (const form of document.querySelectorAll("form.calibration")) form.addEventListener("submit", submitted);
