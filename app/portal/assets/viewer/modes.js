// Ways to compare the panes: slider, side by side, flicker, one alone.

const FLICKER_MS = 600;

export class Modes {
  constructor(stage, divide, radios) {
    Object.assign(this, { stage, divide, radios });
    this.timer = null;
    divide.addEventListener("input", () => this.slide());
    for (const radio of radios) radio.addEventListener("change", () => this.set(radio.value));
    this.dragDivider(stage.querySelector("#divider"));
    this.slide();
  }

  set(mode) {
    for (const radio of this.radios) radio.checked = radio.value === mode;
    this.stage.dataset.mode = mode;
    this.divide.disabled = mode !== "slider";
    clearInterval(this.timer);
    this.stage.classList.remove("flicked");
    if (mode === "flicker") {
      this.timer = setInterval(() => this.stage.classList.toggle("flicked"), FLICKER_MS);
    }
  }

  slide() {
    this.stage.style.setProperty("--divide", `${this.divide.value}%`);
  }

  dragDivider(divider) {
    divider.addEventListener("pointerdown", (event) => {
      divider.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const box = this.stage.getBoundingClientRect();
      this.divide.value = (100 * (event.clientX - box.left)) / box.width;
      this.slide();
    });
  }
}
