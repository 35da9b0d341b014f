// The row of one upload: what happens to it, and what the server found in the file.

import { ImageOrigin } from "./image_origin.js";
import { readable } from "./sizes.js";
import { filled, texts } from "./texts.js";

const ACTIONS = {
  asking: ["one", "separate", "cancel"],
  waiting: ["cancel"],
  packing: ["cancel"],
  sending: ["pause", "cancel"],
  reading: [],
  paused: ["resume", "cancel"],
  stopped: ["retry", "cancel"],
  finished: [],
  cancelled: [],
};

export class UploadRow {
  // `act(name)` is called with the name of a button that was pressed.
  constructor(name, sizeBytes, act) {
    this.element = document.getElementById("row").content.firstElementChild.cloneNode(true);
    this.part("name").textContent = name;
    this.part("size").textContent = readable(sizeBytes);
    this.part("progress").setAttribute("aria-label", name);
    this.name = name;
    this.act = act;
    for (const button of this.element.querySelectorAll("[data-act]")) {
      button.addEventListener("click", () => act(button.dataset.act));
      // Several rows have buttons of the same text.
      button.setAttribute("aria-label", `${button.textContent}: ${name}`);
    }
  }

  part(name) {
    return this.element.querySelector(`[data-part="${name}"]`);
  }

  show(state, text) {
    const focused = this.part("actions").contains(document.activeElement);
    this.element.dataset.state = state;
    this.part("status").textContent = text;
    this.part("status").className = state === "stopped" ? "notice bad" : "";
    this.part("progress").hidden = ["asking", "finished", "cancelled", "stopped"].includes(state);
    let first = null;
    for (const button of this.part("actions").children) {
      button.hidden = !ACTIONS[state].includes(button.dataset.act);
      if (!button.hidden) first ??= button;
    }
    this.part("actions").hidden = first === null;
    // A pressed button that disappears must not take the keyboard with it.
    if (focused && document.activeElement.hidden) first?.focus();
  }

  progress(done, size, text) {
    const bar = this.part("progress");
    bar.max = Math.max(size, 1);
    bar.value = done;
    this.part("status").textContent = filled(text, { done: readable(done), size: readable(size) });
  }

  // Shows what the server found; `image.chosen` gets the ids of the images of its file that the person chose.
  // Settles when the image has the microscope that its file tells.
  async showImage(image) {
    this.part("image").hidden = false;
    if (image.series.length) this.showSeries(image);
    const preview = this.part("preview");
    preview.src = image.preview_href;
    preview.alt = filled(texts.PREVIEW, { name: this.name });
    this.showFacts(image);
    const origin = new ImageOrigin(this.part("origin"), image, () => {
      this.showFacts(image);
      this.act("moved");
    });
    await origin.begin();
    this.showFacts(image);
  }

  showFacts(image) {
    this.part("facts").replaceChildren(...factsOf(image).flatMap(([term, value]) => [item("dt", term), item("dd", value)]));
    const warnings = image.warnings.map((text) => item("li", text, "notice warn"));
    if (!warnings.length) warnings.push(item("li", image.survey || image.series.length ? texts.NO_WARNINGS : texts.UNSEEN));
    this.part("warnings").replaceChildren(...warnings);
  }

  showSeries(image) {
    const place = this.part("series");
    const boxes = new Map();
    const all = seriesBox(texts.SERIES_ALL, true);
    for (const entry of image.series) {
      const usable = entry.image_id !== null;
      const label = seriesBox(titleOfSeries(entry), usable);
      label.firstChild.disabled = !usable;
      if (usable) boxes.set(entry.image_id, label.firstChild);
      place.append(label);
    }
    if (boxes.size > 1) place.querySelector("legend").after(all);
    const chosen = () => [...boxes].filter(([, box]) => box.checked).map(([id]) => id);
    place.addEventListener("change", (event) => {
      if (event.target === all.firstChild) for (const box of boxes.values()) box.checked = all.firstChild.checked;
      const ids = chosen();
      image.chosen = ids.length === boxes.size ? null : ids;
      all.firstChild.checked = image.chosen === null;
      all.firstChild.indeterminate = ids.length > 0 && image.chosen !== null;
      this.element.querySelector('[data-act="denoise"]').disabled = !ids.length;
      this.act("chosen");
    });
    place.hidden = false;
  }
}

function seriesBox(text, checked) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = checked;
  label.append(box, ` ${text}`);
  return label;
}

function titleOfSeries({ index, name, axes, shape, unusable }) {
  const size = shape.map((length, axis) => `${axes[axis]} ${length}`).join(" × ");
  const text = filled(texts.SERIES_ENTRY, { number: index, name, size }).trim();
  return unusable === null ? text : filled(texts.SERIES_UNUSABLE, { entry: text, why: unusable });
}

function item(tag, text, className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

function factsOf(image) {
  const { header } = image;
  const shape = header.shape.map((length, index) => `${header.axes[index]} ${length}`).join(" × ");
  const facts = [[texts.SIZE, `${shape}, ${header.dtype}`]];
  const pixel = header.pixel_size_um;
  if (pixel?.x) facts.push([texts.PIXEL_SIZE, `${pixel.x.toPrecision(3)} µm`]);
  if (image.series.length) facts.push([texts.SERIES, String(image.series.length)]);
  const cameras = new Set(header.acquisition.map(settingsOf).filter(Boolean));
  if (cameras.size) facts.push([texts.CAMERA, [...cameras].join("; ")]);
  facts.push([texts.PROFILE, profileOf(image)]);
  return facts;
}

function settingsOf(told) {
  const named = [told.camera, told.readout_mode, told.gain && `gain ${told.gain}`, told.binning && `binning ${told.binning}`];
  return named.filter(Boolean).join(", ");
}

function profileOf(image) {
  if (image.origin === null) return texts.NO_PROFILE;
  const text = { settings: texts.TOLD_BY_FILE, default: texts.DEFAULT_PROFILE }[image.profile_choice] ?? texts.NAMED_PROFILE;
  return filled(text, image.origin);
}
