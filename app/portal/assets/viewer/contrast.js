// Windows of contrast: one for signals, one for each other kind of layer, kept for an image and channel.

import { filled, texts } from "../texts.js";

const PAUSE_MS = 120;

export class Contrast {
  constructor(element, onChange) {
    const find = (id) => element.querySelector(`#${id}`);
    Object.assign(this, { low: find("low"), high: find("high"), told: find("range"), of: find("contrast-of") });
    Object.assign(this, { lowSlide: find("low-slide"), highSlide: find("high-slide"), onChange });
    this.windows = new Map();
    this.automatic = new Set();
    for (const [number, slide] of [
      [this.low, this.lowSlide],
      [this.high, this.highSlide],
    ]) {
      number.addEventListener("change", () => this.enter());
      slide.addEventListener("input", () => {
        number.value = rounded(Number(slide.value));
        this.enter();
      });
    }
  }

  window(key) {
    return this.windows.get(key);
  }

  // Takes the range of a plane as the window of a kind of layer that has none.
  take(key, range) {
    if (!this.windows.has(key)) this.windows.set(key, automatic(range, false));
  }

  // Shows the window of a kind of layer, and the range of its plane; takes the range if there is no window.
  show(key, title, range, symmetric) {
    this.key = key;
    this.automaticWindow = automatic(range, symmetric);
    if (!this.windows.has(key)) this.windows.set(key, this.automaticWindow);
    const { low, high } = this.windows.get(key);
    const ends = [range.minimum ?? 0, range.maximum ?? 1, low, high];
    for (const slide of [this.lowSlide, this.highSlide]) {
      slide.min = String(Math.min(...ends));
      slide.max = String(Math.max(...ends));
    }
    this.of.textContent = title;
    this.told.textContent =
      range.minimum === null ? "" : filled(texts.RANGE, { minimum: rounded(range.minimum), maximum: rounded(range.maximum) });
    if (range.missing_px > 0) this.told.textContent += filled(texts.MISSING, { count: range.missing_px });
    this.fill(low, high);
  }

  auto() {
    if (!this.automaticWindow) return;
    this.windows.set(this.key, this.automaticWindow);
    this.fill(this.automaticWindow.low, this.automaticWindow.high);
    this.onChange();
  }

  fill(low, high) {
    this.low.value = rounded(low);
    this.high.value = rounded(high);
    this.lowSlide.value = String(low);
    this.highSlide.value = String(high);
    this.accept(true);
  }

  enter() {
    const low = this.low.valueAsNumber;
    const high = this.high.valueAsNumber;
    const good = low < high;
    this.accept(good);
    if (!good) return;
    this.windows.set(this.key, { low, high });
    this.lowSlide.value = String(low);
    this.highSlide.value = String(high);
    clearTimeout(this.timer);
    this.timer = setTimeout(this.onChange, PAUSE_MS);
  }

  accept(good) {
    this.low.setCustomValidity(good ? "" : texts.WRONG_WINDOW);
    for (const input of [this.low, this.high]) {
      if (good) input.removeAttribute("aria-invalid");
      else input.setAttribute("aria-invalid", "true");
    }
    if (!good) this.low.reportValidity();
  }
}

function automatic({ low, high }, symmetric) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  return symmetric ? { low: -most, high: most } : { low, high };
}

function rounded(value) {
  return String(Number(value.toPrecision(6)));
}
