// Sends frames of a static scene, so that a broken connection costs little, and has a noise model checked or fitted
// with them.

import { api } from "./api.js";
import { showFindings, showFrames } from "./calibration_findings.js";
import { interrupted, ResumableFile, Stopped } from "./resumable_file.js";
import { readable } from "./sizes.js";
import { filled, texts } from "./texts.js";

const ENDED = ["succeeded", "failed", "cancelled"];
const BETWEEN_LOOKS_MS = 2000;
const ROLE = "calibration";

class CalibrationForm {
  constructor(form) {
    this.form = form;
    this.sender = null;
    this.cancelled = null;
    this.sent = new Map(); // Ids of images, by what tells files apart: a refused job costs no second upload.
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    this.part("cancel").addEventListener("click", () => this.cancelled?.(new Stopped("cancelled")));
  }

  part(name) {
    return this.form.querySelector(`[data-part="${name}"]`);
  }

  async run() {
    this.begin();
    try {
      const { elements } = this.form;
      const spec = { kind: elements.kind.value, image_ids: [await this.send(elements.frames.files[0])] };
      const dark = elements.dark.files[0];
      if (dark) spec.dark_image_ids = [await this.send(dark)];
      const channel = elements.channel.value.trim();
      if (channel) spec.for_channel = channel;
      const job = await (await api("/v1/jobs", { method: "POST", json: spec })).json();
      this.say(filled(texts.RUNNING, { id: job.id }));
      this.summarize(await ended(job.id));
    } catch (problem) {
      this.fail(problem);
    } finally {
      this.form.removeAttribute("aria-busy");
      this.part("sending").hidden = true;
    }
  }

  begin() {
    this.part("refused").hidden = true;
    this.part("found").replaceChildren();
    this.form.setAttribute("aria-busy", "true");
    this.say("");
  }

  async send(file) {
    const identity = JSON.stringify([file.name, file.size, file.lastModified]);
    if (!this.sent.has(identity)) this.sent.set(identity, await this.upload(file));
    const image = this.sent.get(identity);
    showFrames(this.part("found"), image);
    return image.id;
  }

  // Sends what the server lacks of a file, and returns its image.
  async upload(file) {
    const { microscope, profile } = this.form.dataset;
    const bar = this.part("progress");
    const told = (text) => (done, size) => {
      bar.max = Math.max(size, 1);
      bar.value = done;
      this.say(filled(text, { name: file.name, done: readable(done), size: readable(size) }));
    };
    this.part("sending").hidden = false;
    bar.setAttribute("aria-label", file.name);
    const metadata = { filename: file.name, role: ROLE, microscope, profile };
    this.sender = new ResumableFile(file, metadata, {
      progress: told(texts.SENDING),
      reading: () => this.say(filled(texts.READING, { name: file.name })),
      retrying: () => this.say(texts.RETRYING),
    });
    const cancelled = new Promise((_, failed) => (this.cancelled = failed));
    try {
      return await Promise.race([this.sender.send(), cancelled]);
    } finally {
      this.cancelled = null;
      this.part("sending").hidden = true;
    }
  }

  summarize(job) {
    if (job.state !== "succeeded") throw new Error(job.error?.detail ?? filled(texts.ENDED, { state: job.state }));
    this.say(job.result.values.camera?.told ?? texts.FITTED);
    showFindings(this.part("found"), job.result.values);
  }

  fail(problem) {
    this.say("");
    if (problem.kind === "cancelled") {
      this.sender.cancel().catch(() => {}); // Without a connection, it is deleted when it expires.
      this.say(texts.CANCELLED);
      return;
    }
    const text = { lost: texts.LOST, unreadable: texts.UNREADABLE }[problem.kind];
    this.part("refused").textContent = text ?? problem.message;
    this.part("refused").hidden = false;
  }

  say(text) {
    this.part("told").textContent = text;
  }

  // Tells of frames that were on their way when the page was left.
  showInterrupted(uploads) {
    const { microscope, profile } = this.form.dataset;
    const own = uploads.find(({ metadata }) => metadata.microscope === microscope && metadata.profile === profile);
    if (own === undefined) return;
    const { name, received, size } = own;
    this.form.closest("details").open = true;
    this.say(filled(texts.INTERRUPTED, { name, done: readable(received), size: readable(size) }));
  }
}

async function ended(jobId) {
  for (;;) {
    const job = await (await api(`/v1/jobs/${jobId}`)).json();
    if (ENDED.includes(job.state)) return job;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS_MS));
  }
}

const forms = [...document.querySelectorAll("form.calibration")].map((form) => new CalibrationForm(form));
if (forms.length) {
  const uploads = await interrupted((metadata) => metadata.role === ROLE);
  for (const form of forms) form.showInterrupted(uploads.filter((upload) => !upload.finished));
}
document.documentElement.dataset.ready = "true";
