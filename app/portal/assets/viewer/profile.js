// Values along a line, of the observation and the layer beside it.

import { api } from "../api.js";
import { filled, texts } from "../texts.js";

const BAND = { stroke: "#c2410c66", width: 1 };

function estimateLines(label, estimate, deviation) {
  const lines = [{ label, stroke: "#c2410c", width: 2, values: estimate.values }];
  for (const sign of deviation ? [-1, 1] : []) {
    const values = estimate.values.map((value, at) => {
      const spread = deviation.values[at];
      return value === null || spread === null ? null : value + sign * spread;
    });
    lines.push({ label: sign < 0 ? texts.MINUS_SD : texts.PLUS_SD, values, ...BAND });
  }
  return lines;
}

export class Profile {
  constructor(form, chart, told, line) {
    Object.assign(this, { form, chart, told, line, ends: null, plot: null });
    new ResizeObserver(() => this.plot?.setSize(this.size)).observe(chart);
  }

  get size() {
    return { width: Math.max(this.chart.clientWidth, 200), height: 260 };
  }

  // Takes the ends of a line that was drawn, in pixels.
  take(from, to) {
    const ends = { from_x: from.x, from_y: from.y, to_x: to.x, to_y: to.y };
    for (const [name, value] of Object.entries(ends)) {
      this.form.elements[name].value = String(Math.max(Math.round(value * 10) / 10, 0));
    }
    this.read();
  }

  // Reads the ends from the form; returns whether all are there.
  read() {
    if (!this.form.checkValidity()) return false;
    this.ends = Object.fromEntries(["from_x", "from_y", "to_x", "to_y"].map((name) => [name, this.form.elements[name].value]));
    return true;
  }

  // Shows the observation, the estimate, and the estimate's uncertainty as a band if there is one.
  async show({ observation, estimate, deviation }, plane) {
    if (this.ends === null) return;
    const layers = [observation, estimate, deviation].filter((layer) => layer !== undefined);
    const asked = layers.map((layer) => api(layer.address(`/${plane}/profile`, this.ends)).then((answer) => answer.json()));
    const [first, ...others] = await Promise.all(asked);
    const unit = first.distance_um === null ? "px" : "µm";
    const distance = first.distance_um ?? first.distance_px;
    const lines = [
      { label: texts.LAYERS[observation.name] ?? texts.OBSERVATION, stroke: "#1b6ca8", width: 1, values: first.values },
      ...(estimate ? estimateLines(texts.LAYERS[estimate.name], ...others) : []),
    ];
    this.draw(lines, distance, unit);
    const length = Number(distance.at(-1).toPrecision(4));
    this.told.textContent = filled(texts.SHOWN_PROFILE, { count: distance.length, length, unit });
  }

  draw(lines, distance, unit) {
    this.plot?.destroy();
    const ink = getComputedStyle(this.chart).color;
    const axis = { stroke: ink, grid: { stroke: "#8884" }, ticks: { stroke: "#8884" } };
    const label = filled(texts.DISTANCE, { unit });
    const options = {
      ...this.size,
      scales: { x: { time: false } },
      axes: [
        { ...axis, label },
        { ...axis, label: texts.VALUE },
      ],
      series: [{ label }, ...lines.map(({ values, ...series }) => series)],
      bands: lines.length > 3 ? [{ series: [4, 3], fill: "#c2410c33" }] : [],
    };
    this.plot = new uPlot(options, [distance, ...lines.map((line) => line.values)], this.chart);
  }

  // Draws the line over the panes that are shown.
  mark(pane, offset) {
    const shown = this.ends !== null;
    this.line.toggleAttribute("hidden", !shown);
    if (!shown) return;
    const { from_x, from_y, to_x, to_y } = this.ends;
    const from = pane.elementPoint({ x: Number(from_x), y: Number(from_y) });
    const to = pane.elementPoint({ x: Number(to_x), y: Number(to_y) });
    if (!from || !to) return;
    const marked = this.line.querySelector("line");
    for (const [name, value] of [
      ["x1", from.x + offset],
      ["y1", from.y],
      ["x2", to.x + offset],
      ["y2", to.y],
    ]) {
      marked.setAttribute(name, String(value));
    }
  }
}
