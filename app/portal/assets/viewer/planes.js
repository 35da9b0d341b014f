// Controls of the axes of a stack; together they tell the number of a plane, in row-major order.

import { filled, texts } from "../texts.js";

export class Planes {
  constructor(element, onChange) {
    Object.assign(this, { element, onChange, axes: [] });
  }

  // Makes a control for each axis that has several planes; keeps the places of axes that stay.
  show(document) {
    const before = new Map(this.axes.map((axis) => [axis.name, axis.index]));
    this.axes = [...document.axes].slice(0, -2).map((name, number) => {
      const count = document.shape[number];
      return { name, count, index: Math.min(before.get(name) ?? startOf(name, count), count - 1) };
    });
    this.element.replaceChildren(
      ...this.axes.filter((axis) => axis.count > 1).map((axis) => this.control(axis, document.channels)),
    );
  }

  get plane() {
    return this.axes.reduce((plane, axis) => plane * axis.count + axis.index, 0);
  }

  get channel() {
    return this.axes.find((axis) => axis.name === "C")?.index ?? 0;
  }

  // Number of the plane that another channel has at the same place.
  planeOf(channel) {
    return this.axes.reduce((plane, axis) => plane * axis.count + (axis.name === "C" ? channel : axis.index), 0);
  }

  // Number of the position among all of them.
  get position() {
    return this.axes.filter((axis) => "PR".includes(axis.name)).reduce((at, axis) => at * axis.count + axis.index, 0);
  }

  // Moves along the first (0) or the next (1) axis that is no channel, as far as there are planes.
  step(which, by) {
    const stacks = this.axes.filter((axis) => axis.count > 1 && axis.name !== "C");
    const axis = stacks[which] ?? (which === 0 ? this.axes.find((each) => each.count > 1) : undefined);
    if (axis) this.move(axis, axis.index + by);
  }

  move(axis, index) {
    const within = Math.min(Math.max(index, 0), axis.count - 1);
    if (within === axis.index) return;
    axis.index = within;
    axis.tell();
    this.onChange();
  }

  control(axis, channels) {
    const label = document.createElement("label");
    label.append(`${texts.AXES[axis.name] ?? axis.name} `);
    const input = document.createElement(axis.name === "C" ? "select" : "input");
    if (axis.name === "C") {
      input.append(...channels.map((channel, index) => new Option(channel.name, String(index))));
    } else {
      Object.assign(input, { type: "range", min: 0, max: axis.count - 1, step: 1 });
    }
    const told = document.createElement("output");
    axis.tell = () => {
      input.value = String(axis.index);
      told.value = filled(texts.OF, { number: axis.index + 1, count: axis.count });
    };
    input.addEventListener("input", () => this.move(axis, Number(input.value)));
    axis.tell();
    label.append(input, told);
    return label;
  }
}

// A stack of depths is shown from its middle, where it is in focus; others from their first plane.
function startOf(name, count) {
  return name === "Z" ? Math.floor(count / 2) : 0;
}
