// What to do with uploaded images: the preset and options, the server's plan and warnings, and the jobs.

import { api } from "./api.js";
import { DenoiseOptions } from "./denoise_options.js";
import { expectedTimeOf } from "./expected_time.js";
import { filled, texts } from "./texts.js";

const MOST_PLANNED = 20;
const PLANNED_AFTER_MS = 1000; // Uploads often end one soon after another.

export class DenoiseForm {
  constructor(section) {
    this.section = section;
    this.form = section.querySelector("form");
    this.planned = section.querySelector("#planned");
    this.button = section.querySelector("#denoise-all");
    this.images = [];
    this.asked = 0;
    this.soon = 0;
    this.plans = new Map();
    this.keys = new Map();
    this.options = new DenoiseOptions(this.form);
    // Browsers may show a page again that was left; what is asked for then is meant to run once more.
    addEventListener("pagehide", () => {
      this.plans.clear();
      this.keys.clear();
    });
    this.form.addEventListener("change", () => {
      this.options.refresh();
      this.plan();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.post(this.jobs(this.images));
    });
  }

  add(image) {
    this.images.push(image);
    this.section.hidden = false;
    const several = this.images.length > 1;
    this.section.querySelector("#several").hidden = !several;
    if (several) this.button.textContent = filled(texts.ALL, { count: this.images.length });
    this.options.offerFor(this.images);
    this.planSoon();
  }

  // Plans again: an image has another microscope, so that the same jobs are others.
  forget() {
    this.plans.clear();
    this.keys.clear();
    this.options.offerFor(this.images);
    this.planSoon();
  }

  // Returns the jobs to post for these images: one for all, or one each. `image.chosen`: those of its file, if not all.
  jobs(images) {
    const { elements } = this.form;
    const job = { kind: "denoise", preset: elements.preset.value, ...this.options.fields() };
    const ids = images.map((image) => image.chosen ?? [image.id]).filter((each) => each.length);
    const lists = elements.together.checked ? [ids.flat()] : ids;
    return lists.filter((each) => each.length).map((each) => ({ ...job, image_ids: each }));
  }

  nameOf(job) {
    const [first] = job.image_ids;
    return this.images.find((image) => image.id === first || image.chosen?.includes(first)).filename;
  }

  planSoon() {
    this.asked += 1; // Plans on their way lack an image.
    clearTimeout(this.soon);
    this.say("p", texts.PLANNING);
    this.soon = setTimeout(() => this.plan(), PLANNED_AFTER_MS);
  }

  // Shows what the server would do, and what to know before.
  async plan() {
    clearTimeout(this.soon);
    this.asked += 1;
    const asked = this.asked;
    const jobs = this.jobs(this.images).slice(0, MOST_PLANNED);
    this.button.disabled = !jobs.length;
    if (!jobs.length) {
      this.say("p", texts.NOTHING_CHOSEN);
      return;
    }
    this.say("p", texts.PLANNING);
    try {
      const plans = await Promise.all(jobs.map((job) => this.planOf(job)));
      if (asked === this.asked) this.showPlans(jobs, plans);
    } catch (error) {
      if (asked === this.asked) this.say("p", refusalOf(error), "notice bad");
    }
  }

  // Returns the server's plan of a job, which is asked for once.
  async planOf(json) {
    const job = JSON.stringify(json);
    if (!this.plans.has(job)) {
      const plan = api("/v1/jobs/preflight", { method: "POST", json }).then((response) => response.json());
      this.plans.set(job, plan);
      plan.catch(() => this.plans.delete(job));
    }
    return this.plans.get(job);
  }

  // Returns the key with which the server makes a job once, however often it is asked until the page is left.
  keyOf(json) {
    const job = JSON.stringify(json);
    if (!this.keys.has(job)) this.keys.set(job, random());
    return this.keys.get(job);
  }

  showPlans(jobs, plans) {
    const warnings = document.createElement("ul");
    warnings.className = "warnings";
    const steps = document.createElement("ul");
    const told = new Set();
    const shown = this.images.flatMap((image) => image.warnings);
    plans.forEach((plan, number) => {
      const name = jobs.length > 1 ? this.nameOf(jobs[number]) : "";
      // What the rows tell of the images is not told again.
      const news = plan.warnings.filter((text) => !shown.some((known) => text.endsWith(known)));
      for (const text of news) append(warnings, named(name, text), "notice warn");
      for (const step of plan.plan) told.add(lineOf(step));
    });
    for (const line of told) append(steps, line);
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = document.getElementById("denoise").dataset.plan;
    details.append(summary, steps);
    const time = document.createElement("p");
    time.textContent = expectedTimeOf(plans);
    this.planned.replaceChildren(...(warnings.children.length ? [warnings] : []), time, details);
  }

  // Posts jobs and goes to the job, or to the list of them.
  async post(jobs) {
    this.button.setAttribute("aria-busy", "true");
    this.button.disabled = true;
    try {
      const ids = [];
      for (const json of jobs) {
        const headers = { "Idempotency-Key": this.keyOf(json) };
        ids.push((await (await api("/v1/jobs", { method: "POST", json, headers })).json()).id);
      }
      location.assign(ids.length === 1 ? `/jobs/${ids[0]}` : "/jobs");
    } catch (error) {
      this.say("p", refusalOf(error), "notice bad");
      this.planned.scrollIntoView({ block: "nearest" });
    } finally {
      this.button.removeAttribute("aria-busy");
      this.button.disabled = false;
    }
  }

  postOne(image) {
    return this.post(this.jobs([image]));
  }

  say(tag, text, className = "") {
    const element = document.createElement(tag);
    element.textContent = text;
    element.className = className;
    this.planned.replaceChildren(element);
  }
}

// crypto.randomUUID needs HTTPS.
function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Names the check box where the API names its field.
function refusalOf(error) {
  const [refused, ...others] = error.errors ?? [];
  if (!others.some(({ where }) => where === "force")) return `${error.message}.`;
  const why = refused.what.charAt(0).toUpperCase() + refused.what.slice(1);
  return filled(texts.REFUSED_VERSION, { why, automatic: texts.NOISE_AUTOMATIC, box: texts.FORCE });
}

function lineOf(step) {
  const text = { compute: texts.COMPUTE, reuse: texts.REUSE, skip: texts.SKIP }[step.action];
  return filled(text, { stage: texts.STAGES[step.stage] ?? step.stage, why: step.why ? `${step.why}.` : "" });
}

function named(name, text) {
  return name ? `${name}: ${text}` : text;
}

function append(list, text, className = "") {
  const item = document.createElement("li");
  item.textContent = text;
  item.className = className;
  list.append(item);
}
