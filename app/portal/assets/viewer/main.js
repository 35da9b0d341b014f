// The viewer of a result: one state, shown by two panes that move together.

import { Problem, api } from "../api.js";
import { texts } from "../texts.js";
import { Blend } from "./blend.js";
import { Contrast } from "./contrast.js";
import { drawLines } from "./drawing.js";
import { installKeys } from "./keys.js";
import { installLinks } from "./links.js";
import { comparedOf, observationOf, profiled } from "./layers.js";
import { Modes } from "./modes.js";
import { Pane, moveTogether } from "./pane.js";
import { Planes } from "./planes.js";
import { Profile } from "./profile.js";
import { tileSource } from "./tile-source.js";

const find = (id) => document.getElementById(id);
const images = JSON.parse(find("images").textContent);
const stage = find("stage");
const busy = new Set();

const told = {
  failure(text) {
    find("told").textContent = text;
    find("told").hidden = text === "";
  },
  busy(pane, is) {
    if (is) busy.add(pane);
    else busy.delete(pane);
    find("busy").hidden = busy.size === 0;
    stage.toggleAttribute("data-ready", busy.size === 0);
  },
};

function makePane(id) {
  return new Pane(find(id), {
    onFailure: () => {
      told.failure(texts.TILE_FAILED);
      told.busy(id, false);
    },
    onBusy: (is) => told.busy(id, is),
  });
}

const left = makePane("left");
const right = makePane("right");
moveTogether(left, right);
const modes = new Modes(stage, find("divide"), document.querySelectorAll("input[name=mode]"));
const planes = new Planes(find("axes"), () => show());
const contrast = new Contrast(find("contrast"), () => show());
const profile = new Profile(find("ends"), find("chart"), find("profile-told"), find("line"));
const blend = new Blend(find("blend"), find("blended"), () => show());
const ranges = new Map();
const state = { image: null, document: null, layers: [], observation: null, layer: null, turn: 0 };

async function json(address) {
  return (await api(address)).json();
}

async function rangeOf(layer, plane) {
  const address = layer.address(`/${plane}/range`);
  if (!ranges.has(address)) ranges.set(address, await json(address));
  return ranges.get(address);
}

async function chooseImage(number) {
  const image = images[number];
  state.image = image;
  state.layers = comparedOf(image);
  // Without the image, its result takes its place.
  state.observation = observationOf(image) ?? state.layers[0];
  find("deleted").hidden = image.planes_href !== null;
  find("left-tag").textContent = texts.LAYERS[state.observation.name] ?? texts.OBSERVATION;
  const before = state.layer?.name;
  state.layer = state.layers.find((each) => each.name === before) ?? state.layers[0];
  find("layer").replaceChildren(...state.layers.map((each) => new Option(texts.LAYERS[each.name], each.name)));
  state.document = await json(state.observation.address(""));
  planes.show(state.document);
  blend.offer(state.document);
  refreshLinks();
  return show();
}

// Chooses a layer by its name, or the first one.
function chooseLayer(name) {
  const found = name === 0 ? state.layers[0] : state.layers.find((each) => each.name === name);
  if (!found) return;
  state.layer = found;
  refreshLinks();
  show();
}

// Shows the state; a later call overtakes an earlier one that waits for the server.
async function show() {
  const turn = ++state.turn;
  const plane = planes.plane;
  const { layer, observation } = state;
  const key = (each, channel = planes.channel) => `${state.image.id} ${channel} ${each.contrast}`;
  told.busy("range", true);
  try {
    // Windows of contrast that are known already need not wait for the range of the plane.
    const known = [observation, layer].every((each) => shownChannels(each).every((at) => contrast.window(key(each, at))));
    if (known) draw(plane, key);
    const [signal, own] = await Promise.all([observation, layer].map((each) => rangeOf(each, plane)));
    await Promise.all(blendedWindows(key));
    if (turn !== state.turn) return;
    contrast.show(key(observation), texts.SIGNAL, signal, false);
    if (layer.contrast !== "signal") {
      contrast.show(key(layer), texts.LAYERS[layer.name], own, layer.contrast === "residual");
    }
    if (!known) draw(plane, key);
    told.failure("");
    await profile.show(profiled(observation, state.layers), plane);
  } catch (error) {
    if (turn === state.turn) told.failure(error instanceof Problem ? `${error.message}.` : texts.TILE_FAILED);
    if (!(error instanceof Problem)) throw error;
  } finally {
    if (turn === state.turn) told.busy("range", false);
  }
}

function draw(plane, key) {
  const { document: shape, layer, observation } = state;
  const sources = (each) =>
    shownChannels(each).map((at) => {
      const tint = isBlended(each) ? blend.tint(at) : null;
      return tileSource(each, shape, planes.planeOf(at), contrast.window(key(each, at)), tint);
    });
  left.show(sources(observation));
  right.show(sources(layer));
  find("layer").value = layer.name;
  find("right-tag").textContent = texts.LAYERS[layer.name];
  stage.dataset.plane = String(plane);
}

// Whether a layer is shown as its channels in colours; residuals and deviations have colours of their own.
function isBlended(layer) {
  return blend.channels !== null && layer.contrast === "signal";
}

function shownChannels(layer) {
  return isBlended(layer) ? blend.channels : [planes.channel];
}

// Finds windows of contrast for blended channels that have none.
function blendedWindows(key) {
  const blended = [state.observation, state.layer].find(isBlended);
  if (!blended) return [];
  return blend.channels
    .filter((at) => !contrast.window(key(blended, at)))
    .map(async (at) => contrast.take(key(blended, at), await rangeOf(blended, planes.planeOf(at))));
}

function zoom(factor) {
  if (factor === null) left.viewer.viewport.goHome();
  else left.viewer.viewport.zoomBy(factor);
  left.viewer.viewport.applyConstraints();
}

function zoomToPixels() {
  const { viewport } = left.viewer;
  viewport.zoomTo(viewport.imageToViewportZoom(1 / window.devicePixelRatio));
}

find("image").addEventListener("change", (event) => chooseImage(Number(event.target.value)));
find("layer").addEventListener("change", (event) => chooseLayer(event.target.value));
find("zoom-in").addEventListener("click", () => zoom(1.5));
find("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
find("home").addEventListener("click", () => zoom(null));
find("full").addEventListener("click", zoomToPixels);
find("auto").addEventListener("click", () => contrast.auto());
installKeys(stage, { planes, modes, contrast, zoom, chooseLayer });
drawLines({ panes: [left, right], button: find("draw"), stage, profile, onDrawn: () => show() });
find("ends").addEventListener("submit", (event) => {
  event.preventDefault();
  if (profile.read()) show();
});
const refreshLinks = installLinks({
  button: find("make-links"),
  told: find("links-told"),
  list: find("links"),
  valid: find("valid-links"),
  shown: () => ({ layers: [state.observation, state.layer], position: planes.position }),
});
chooseImage(0);
