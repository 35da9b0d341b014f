// The row of one upload: what happens to it, and what the server found in the file.

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

  showImage(image) {
    this.part("image").hidden = false;
    const preview = this.part("preview");
    preview.src = image.preview_href;
    preview.alt = filled(texts.PREVIEW, { name: this.name });
    this.part("facts").replaceChildren(...factsOf(image).flatMap(([term, value]) => [item("dt", term), item("dd", value)]));
    const warnings = image.warnings.map((text) => item("li", text, "notice warn"));
    if (!warnings.length) warnings.push(item("li", image.survey || image.series.length ? texts.NO_WARNINGS : texts.UNSEEN));
    this.part("warnings").replaceChildren(...warnings);
  }
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
