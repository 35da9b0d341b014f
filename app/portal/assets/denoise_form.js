// What to do with uploaded images: the preset, the server's plan and warnings, and the jobs.

import { api } from "./api.js";
import { filled, texts } from "./texts.js";

const MOST_PLANNED = 20;

export class DenoiseForm {
  constructor(section) {
    this.section = section;
    this.form = section.querySelector("form");
    this.planned = section.querySelector("#planned");
    this.button = section.querySelector("#denoise-all");
    this.images = [];
    this.asked = 0;
    this.form.addEventListener("change", () => {
      const { elements } = this.form;
      elements["from-nothing"].disabled = elements.preset.value === "instant"; // which trains nothing
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
    this.plan();
  }

  // Returns the jobs to post for these images: one for all, or one each.
  jobs(images) {
    const { elements } = this.form;
    const job = { kind: "denoise", preset: elements.preset.value };
    const { checked, disabled } = elements["from-nothing"];
    if (checked && !disabled) job.prior = "none";
    const ids = images.map((image) => image.id);
    return elements.together.checked ? [{ ...job, image_ids: ids }] : ids.map((id) => ({ ...job, image_ids: [id] }));
  }

  // Shows what the server would do, and what to know before.
  async plan() {
    this.asked += 1;
    const asked = this.asked;
    const jobs = this.jobs(this.images).slice(0, MOST_PLANNED);
    this.say("p", texts.PLANNING);
    try {
      const plans = await Promise.all(jobs.map(async (json) => (await api("/v1/jobs/preflight", { method: "POST", json })).json()));
      if (asked === this.asked) this.showPlans(jobs, plans);
    } catch (error) {
      if (asked === this.asked) this.say("p", `${error.message}.`, "notice bad");
    }
  }

  showPlans(jobs, plans) {
    const warnings = document.createElement("ul");
    warnings.className = "warnings";
    const steps = document.createElement("ul");
    const told = new Set();
    const shown = this.images.flatMap((image) => image.warnings);
    plans.forEach((plan, number) => {
      const name = jobs.length > 1 ? this.images.find((image) => image.id === jobs[number].image_ids[0]).filename : "";
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
    this.planned.replaceChildren(...(warnings.children.length ? [warnings] : []), details);
  }

  // Posts jobs and goes to the job, or to the list of them.
  async post(jobs) {
    this.button.setAttribute("aria-busy", "true");
    this.button.disabled = true;
    try {
      const ids = [];
      for (const json of jobs) ids.push((await (await api("/v1/jobs", { method: "POST", json })).json()).id);
      location.assign(ids.length === 1 ? `/jobs/${ids[0]}` : "/jobs");
    } catch (error) {
      this.say("p", `${error.message}.`, "notice bad");
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
