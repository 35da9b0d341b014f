// What was found in frames of a static scene, check by check.

import { filled, texts } from "./texts.js";

const percent = (share) => (100 * share).toPrecision(2);
const pixels = (length) => length.toFixed(2);

// Shows what the server found in a file before anything is made of it.
export function showFrames(place, image) {
  const { header, filename, warnings } = image;
  const size = header.shape.map((length, axis) => `${header.axes[axis]} ${length}`).join(" × ");
  place.append(element("h4", filename), element("p", `${size}, ${header.dtype}`), ...notices(warnings));
}

// Shows the result of a job: each check of each scene, the camera's figures, and what to know.
export function showFindings(place, values) {
  for (const scene of values.scenes ?? []) {
    place.append(element("h4", filled(texts.SCENE, scene)), list(checksOf(scene)));
  }
  const figures = values.camera?.figures ?? [];
  if (figures.length) place.append(element("h4", texts.FIGURES), list(figures.map(figureOf)));
  place.append(...notices(values.warnings ?? []));
  if (!values.warnings?.length) place.append(element("p", texts.NOTHING_UNUSUAL));
}

function checksOf(scene) {
  const { trend } = scene;
  const [y, x] = trend.drift_px;
  const [alongY, alongX] = scene.neighbour_correlation.map((value) => value.toFixed(2));
  const shares = { flicker: percent(scene.flicker), motion: percent(scene.motion), shared: percent(scene.excess_correlation) };
  return [
    [texts.LIGHT, filled(texts.LIGHT_FOUND, { change: percent(trend.brightness_change), ...shares })],
    [texts.MOTION, filled(texts.MOTION_FOUND, { y: pixels(y), x: pixels(x), ...shares })],
    [texts.SATURATION, filled(texts.SATURATION_FOUND, { high: percent(scene.saturated), low: percent(scene.clipped) })],
    [texts.NEIGHBOURS, filled(texts.NEIGHBOURS_FOUND, { y: alongY, x: alongX })],
    [texts.SIGNALS, filled(texts.SIGNALS_FOUND, {
      lowest: scene.signal_min_adu.toPrecision(4),
      highest: scene.signal_max_adu.toPrecision(4),
    })],
  ];
}

function figureOf({ title, value, standard_error: error, unit, verdict }) {
  const shown = unit === "1" ? "" : ` ${unit}`;
  const found = { value: value.toPrecision(4), error: error.toPrecision(2), verdict: texts.VERDICTS[verdict] };
  return [title, filled(texts.FIGURE_FOUND, { ...found, unit: shown })];
}

function list(entries) {
  const found = document.createElement("dl");
  found.className = "facts";
  for (const [term, text] of entries) {
    const entry = document.createElement("div");
    entry.append(element("dt", term), element("dd", text));
    found.append(entry);
  }
  return found;
}

function notices(warnings) {
  return warnings.map((text) => element("p", text, "notice warn"));
}

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}
