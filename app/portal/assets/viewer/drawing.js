// Drawing of the line of a profile on the panes, and where it lies while they move.

export function drawLines({ panes, button, stage, profile, onDrawn }) {
  let from = null;
  const drawing = () => button.getAttribute("aria-pressed") === "true";
  const stop = () => {
    button.setAttribute("aria-pressed", "false");
    stage.classList.remove("drawing");
    from = null;
  };
  const mark = () => profile.mark(panes[0], 0);

  button.addEventListener("click", () => {
    const begins = !drawing();
    button.setAttribute("aria-pressed", String(begins));
    stage.classList.toggle("drawing", begins);
    if (begins) stage.scrollIntoView({ block: "nearest" });
  });
  for (const pane of panes) {
    pane.viewer.addHandler("canvas-press", (event) => {
      if (drawing()) from = pane.imagePoint(event.position);
    });
    pane.viewer.addHandler("canvas-drag", (event) => {
      if (!drawing() || from === null) return;
      event.preventDefaultAction = true;
      profile.take(from, pane.imagePoint(event.position));
      mark();
    });
    pane.viewer.addHandler("canvas-drag-end", (event) => {
      if (!drawing()) return;
      event.preventDefaultAction = true;
      stop();
      onDrawn();
    });
    pane.viewer.addHandler("update-viewport", mark);
  }
}
