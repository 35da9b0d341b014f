// Forms that send their fields to the API: <form data-api="/v1/..." data-then="/page/{id}">.
//
// A button with data-path adds to the address. Fields that are empty are left out. data-kind tells what a field
// means: "integer", "list" (each checked box is an entry) or "lines" (entries separated by commas).

import { api } from "./api.js";
import { filled } from "./texts.js";

function add(document, field) {
  const text = field.name ? field.value.trim() : "";
  if (text === "") return;
  const kind = field.dataset.kind;
  if (kind === "list") {
    document[field.name] ??= [];
    if (field.checked) document[field.name].push(text);
  } else if (kind === "lines") {
    document[field.name] = text.split(",").map((entry) => entry.trim()).filter(Boolean);
  } else {
    document[field.name] = kind === "integer" ? Number(text) : text;
  }
}

function documentOf(form) {
  const document = {};
  for (const field of form.elements) add(document, field);
  return document;
}

export function show(form, problem) {
  const alert = form.querySelector('[role="alert"]');
  alert.textContent = problem.message;
  alert.hidden = false;
}

export async function send(form, button) {
  const path = [form.dataset.api, button?.dataset.path].filter(Boolean).join("/");
  const fields = documentOf(form);
  const response = await api(path, { method: "POST", json: Object.keys(fields).length ? fields : undefined });
  return response.json();
}

async function submitted(event) {
  event.preventDefault();
  const form = event.target;
  form.querySelector('[role="alert"]').hidden = true;
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await send(form, event.submitter);
    if (form.dataset.then) location.assign(filled(form.dataset.then, answer));
    else form.dispatchEvent(new CustomEvent("answered", { detail: answer }));
  } catch (problem) {
    show(form, problem);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

for (const form of document.querySelectorAll("form[data-api]")) form.addEventListener("submit", submitted);
