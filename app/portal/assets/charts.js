// Control charts that tell a check's values where one points or moves with the keyboard. Without this script, the page
// shows the server's drawings.

import { pageData } from "./data.js";
import { filled, texts } from "./texts.js";

const { uPlot } = globalThis;
const HEIGHT_PX = 220;
const COLOURS = { ok: "#1b7837", undecided: "#666666", drifted: "#b2182b", reference: "#2166ac" };
const VERDICTS = ["ok", "undecided", "drifted"];

class Chart {
  constructor(figure, chart) {
    const drawing = figure.querySelector("img");
    // Charts of a camera over several profiles count in limits, not in a unit.
    const unit = chart.profiles ? texts.LIMIT_UNIT : chart.unit === "1" ? "" : chart.unit;
    Object.assign(this, { figure, chart, unit, points: chart.points });
    this.told = document.createElement("p");
    this.told.className = "quiet";
    this.place = document.createElement("div");
    this.place.className = "plot";
    this.place.tabIndex = 0;
    this.place.setAttribute("role", "slider");
    this.place.setAttribute("aria-label", filled(texts.CHECKS_OF, { title: drawing.dataset.title }));
    this.place.setAttribute("aria-valuemin", 1);
    this.place.setAttribute("aria-valuemax", this.points.length);
    drawing.replaceWith(this.place);
    figure.append(this.told);
    this.plot = new uPlot(this.options(), this.data(), this.place);
    new ResizeObserver(() => this.plot.setSize({ width: this.width(), height: HEIGHT_PX })).observe(figure);
    this.place.addEventListener("keydown", (event) => this.key(event));
    this.show(this.points.length - 1);
  }

  width() {
    return Math.max(Math.floor(this.place.clientWidth), 1);
  }

  // Checks stand side by side, whatever time lies between: several may be of one day.
  data() {
    const numbers = this.points.map((_, number) => number);
    const ofVerdict = (verdict) => this.points.map((point) => (point.verdict === verdict ? point.value : null));
    const lines = ["centre", "lower", "upper"].map((name) => this.points.map((point) => point[name]));
    return [numbers, ...VERDICTS.map(ofVerdict), ...lines];
  }

  options() {
    const { chart, points } = this;
    const dots = VERDICTS.map((verdict) => ({
      paths: () => null,
      points: { show: true, size: 9, fill: COLOURS[verdict], stroke: COLOURS[verdict] },
    }));
    const steps = uPlot.paths.stepped({ align: 0 });
    const line = (dash) => ({ stroke: COLOURS.reference, width: 1, dash, paths: steps, points: { show: points.length < 2 } });
    return {
      width: this.width(),
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: {
        x: { time: false, range: [-0.5, points.length - 0.5] },
        y: { range: (_, lowest, highest) => this.range(lowest, highest) },
      },
      axes: [
        { values: (_, numbers) => numbers.map((number) => points[number]?.at.slice(0, 10) ?? ""), space: 90 },
        { label: [chart.symbol, this.unit && `(${this.unit})`].filter(Boolean).join(" "), size: 70 },
      ],
      series: [{}, ...dots, line([]), line([4, 3]), line([4, 3])],
      hooks: {
        draw: [(plot) => this.drawErrors(plot)],
        setCursor: [(plot) => plot.cursor.idx !== null && this.show(plot.cursor.idx)],
      },
    };
  }

  range(lowest, highest) {
    const ends = this.points.flatMap((point) => [
      point.value - point.standard_error,
      point.value + point.standard_error,
    ]);
    const low = Math.min(lowest, ...ends);
    const high = Math.max(highest, ...ends);
    const margin = 0.08 * (high - low || Math.abs(high) || 1);
    return [low - margin, high + margin];
  }

  drawErrors(plot) {
    const { ctx } = plot;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    this.points.forEach((point, number) => {
      const x = plot.valToPos(number, "x", true);
      ctx.strokeStyle = COLOURS[point.verdict];
      ctx.beginPath();
      ctx.moveTo(x, plot.valToPos(point.value - point.standard_error, "y", true));
      ctx.lineTo(x, plot.valToPos(point.value + point.standard_error, "y", true));
      ctx.stroke();
    });
    ctx.restore();
  }

  show(number) {
    this.number = number;
    const words = this.wordsOf(this.points[number]);
    this.told.textContent = words;
    this.place.setAttribute("aria-valuenow", number + 1);
    this.place.setAttribute("aria-valuetext", words);
  }

  wordsOf(point) {
    const unit = this.unit && ` ${this.unit}`;
    const values = {
      at: `${point.at.slice(0, 16).replace("T", " ")} UTC`,
      value: rounded(point.value, 5),
      error: `${rounded(point.standard_error, 2)}${unit}`,
      verdict: texts.VERDICTS[point.verdict],
      version: point.noise_model_version,
      source: texts.SOURCES[point.source],
    };
    const limits = { lower: rounded(point.lower, 5), upper: rounded(point.upper, 5) };
    const words = [filled(texts.POINT, values), point.lower === null ? texts.NO_LIMITS : filled(texts.LIMITS, limits)];
    if (point.profile) {
      const profile = [point.profile, point.channel].filter((name) => name !== null).join(", ");
      words.push(filled(texts.OF_PROFILE, { profile }));
    }
    return words.join(" ");
  }

  key(event) {
    const last = this.points.length - 1;
    const to = { ArrowLeft: this.number - 1, ArrowRight: this.number + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const number = Math.min(Math.max(to, 0), last);
    const left = this.plot.valToPos(number, "x");
    const top = this.plot.valToPos(this.points[number].value, "y");
    this.plot.setCursor({ left, top });
    this.show(number);
  }
}

function rounded(value, digits) {
  return value === null ? "" : String(Number(value.toPrecision(digits)));
}

const charts = pageData("charts");
document.querySelectorAll("figure.chart").forEach((figure, number) => new Chart(figure, charts[number]));
