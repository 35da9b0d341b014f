// Signed links to what is shown, for programs that read OME-Zarr from the web.

import { Problem, api } from "../api.js";
import { filled, shortTime, texts } from "../texts.js";
import { installValidLinks } from "./valid_links.js";

// Returns a function to call when something else is shown.
export function installLinks({ button, told, list, valid, shown }) {
  const refresh = installValidLinks({ told, valid, shown, onEnded: (id) => removeSection(list, id) });
  async function make() {
    const { layers, position } = shown();
    const distinct = layers.filter((layer, at) => layers.indexOf(layer) === at);
    told.textContent = "";
    button.setAttribute("aria-busy", "true");
    try {
      const made = await Promise.all(distinct.map((layer) => linkTo(layer, position)));
      list.replaceChildren(...distinct.map((layer, at) => section(layer, made[at], told, refresh)));
      await refresh();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      told.textContent = `${error.message}.`;
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
  button.addEventListener("click", make);
  return refresh;
}

async function linkTo(layer, position) {
  const query = new URLSearchParams({ ...layer.query, position });
  return (await api(`${linksHref(layer)}?${query}`, { method: "POST" })).json();
}

function linksHref(layer) {
  return layer.planesHref.replace(/planes$/, "zarr");
}

function removeSection(list, id) {
  for (const each of list.querySelectorAll("section")) {
    if (each.dataset.link === id) each.remove();
  }
}

function section(layer, made, told, refresh) {
  const whole = document.createElement("section");
  whole.dataset.links = linksHref(layer);
  whole.dataset.link = made.id;
  const heading = document.createElement("h3");
  const name = texts.LAYERS[layer.name] ?? texts.OBSERVATION;
  const time = shortTime(made.expires_at);
  heading.textContent = filled(texts.LINKS_MADE, { name, time });
  const viewers = document.createElement("p");
  viewers.className = "viewers";
  for (const [href, text] of [
    [made.neuroglancer_href, texts.OPEN_NEUROGLANCER],
    [made.vizarr_href, texts.OPEN_VIZARR],
  ]) {
    if (href !== null) viewers.append(outside(href, text));
  }
  const copied = [
    [texts.IN_NAPARI, made.napari],
    [texts.IN_PYTHON, made.python],
    [texts.ADDRESS, made.href],
  ];
  whole.append(heading, ...(viewers.childElementCount > 0 ? [viewers] : []));
  whole.append(...copied.map(([title, text]) => copyable(title, text, told)), ending(layer, name, whole, told, refresh));
  return whole;
}

function ending(layer, name, whole, told, refresh) {
  const end = document.createElement("button");
  const text = filled(texts.END_LINKS, { name });
  Object.assign(end, { type: "button", className: "secondary", textContent: text });
  end.addEventListener("click", async () => {
    told.textContent = "";
    try {
      await api(linksHref(layer), { method: "DELETE" });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      told.textContent = `${error.message}.`;
      return;
    }
    // Links to a result end together with those to its residual.
    for (const each of whole.parentElement.querySelectorAll("section")) {
      if (each.dataset.links === whole.dataset.links) each.remove();
    }
    told.textContent = filled(texts.LINKS_ENDED, { name });
    await refresh();
  });
  return end;
}

function outside(href, text) {
  const link = document.createElement("a");
  Object.assign(link, { href, textContent: text, target: "_blank", rel: "noopener noreferrer" });
  return link;
}

function copyable(title, text, told) {
  const label = document.createElement("label");
  const field = document.createElement("textarea");
  Object.assign(field, { readOnly: true, value: text, rows: text.split("\n").length, spellcheck: false });
  label.append(title, field);
  const copy = document.createElement("button");
  Object.assign(copy, { type: "button", className: "secondary", textContent: texts.COPY });
  copy.setAttribute("aria-label", filled(texts.COPY_OF, { what: title }));
  copy.addEventListener("click", async () => {
    field.select();
    // Browsers offer the clipboard to pages under HTTPS and of this machine only.
    const done = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    told.textContent = done ? texts.COPIED : texts.NOT_COPIED;
  });
  const row = document.createElement("div");
  row.className = "copyable";
  row.append(label, copy);
  return row;
}
