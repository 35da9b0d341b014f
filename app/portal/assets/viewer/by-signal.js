// Plots of the removed noise by signal, beside what the noise model expects.

import { texts } from "../texts.js";

const MEASURED = "#c2410c";
const EXPECTED = "#1b6ca8";
const HEIGHT_PX = 240;

for (const element of document.querySelectorAll(".by-signal")) {
  const levels = JSON.parse(element.dataset.levels);
  const of = (name) => levels.map((level) => level[name]);
  const mean = of("mean");
  const error = of("mean_error");
  const [variancePlot, meanPlot] = element.querySelectorAll("[data-plot]");
  plot(variancePlot, texts.VARIANCE_AXIS, of("signal_adu"), of("variance"), 1);
  plot(meanPlot, texts.MEAN_AXIS, of("signal_adu"), mean, 0, [
    mean.map((value, at) => value - error[at]),
    mean.map((value, at) => value + error[at]),
  ]);
}

function plot(element, label, signal, values, expected, [low, high] = [values, values]) {
  const ink = getComputedStyle(element).color;
  const axis = { stroke: ink, grid: { stroke: "#8884" }, ticks: { stroke: "#8884" } };
  const size = () => ({ width: Math.max(element.clientWidth, 200), height: HEIGHT_PX });
  const bound = { stroke: `${MEASURED}66`, width: 1, points: { show: false } };
  const options = {
    ...size(),
    scales: { x: { time: false } },
    axes: [
      { ...axis, label: texts.SIGNAL_ADU },
      { ...axis, label },
    ],
    series: [
      { label: texts.SIGNAL_ADU },
      { label: texts.EXPECTED, stroke: EXPECTED, width: 1, dash: [6, 4], points: { show: false } },
      { label: texts.MEASURED, stroke: MEASURED, width: 2, points: { show: true, size: 6, fill: MEASURED } },
      { label: texts.MINUS_SE, ...bound },
      { label: texts.PLUS_SE, ...bound },
    ],
    bands: [{ series: [4, 3], fill: `${MEASURED}33` }],
  };
  const data = [signal, signal.map(() => expected), values, low, high];
  const shown = values === low ? 3 : 5;
  if (shown === 3) options.bands = [];
  options.series = options.series.slice(0, shown);
  const drawn = new uPlot(options, data.slice(0, shown), element);
  new ResizeObserver(() => drawn.setSize(size())).observe(element);
}
