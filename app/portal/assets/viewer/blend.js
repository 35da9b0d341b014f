// Channels of an image added up in their colours.

import { filled, texts } from "../texts.js";

const MOST = 8;
const DEFAULTS = ["#00ff00", "#ff00ff", "#00ffff", "#ffff00", "#ff0000", "#0000ff"];

export class Blend {
  constructor(choice, list, onChange) {
    Object.assign(this, { choice, list, onChange, rows: [], offered: "" });
    choice.addEventListener("change", () => this.changed());
  }

  // Offers the channels of a document; what was chosen for another image with the same ones stays.
  offer({ axes, channels }) {
    const several = axes.includes("C") && channels.length > 1;
    this.choice.closest("label").hidden = !several;
    if (!several) this.choice.checked = false;
    const offered = JSON.stringify(channels);
    if (several && offered !== this.offered) {
      this.offered = offered;
      this.rows = channels.map((channel, at) => this.row(channel, at));
      this.list.replaceChildren(this.list.querySelector("legend"), ...this.rows.map((row) => row.element));
    }
    this.list.hidden = !this.choice.checked;
  }

  // The numbers of the blended channels; null if one channel is shown alone.
  get channels() {
    if (!this.choice.checked) return null;
    const chosen = this.rows.flatMap((row, at) => (row.shown.checked ? [at] : []));
    return chosen.length > 0 ? chosen : null;
  }

  tint(channel) {
    return this.rows[channel].colour.value.slice(1);
  }

  changed() {
    this.list.hidden = !this.choice.checked;
    this.onChange();
  }

  row(channel, at) {
    const element = document.createElement("span");
    element.className = "blended-channel";
    const label = document.createElement("label");
    const shown = document.createElement("input");
    Object.assign(shown, { type: "checkbox", checked: at < MOST });
    label.append(shown, ` ${channel.name}`);
    const colour = document.createElement("input");
    Object.assign(colour, { type: "color", value: (channel.colour ?? DEFAULTS[at % DEFAULTS.length]).toLowerCase() });
    colour.setAttribute("aria-label", filled(texts.COLOUR_OF, { name: channel.name }));
    for (const input of [shown, colour]) input.addEventListener("change", () => this.onChange());
    element.append(label, colour);
    return { element, shown, colour };
  }
}
