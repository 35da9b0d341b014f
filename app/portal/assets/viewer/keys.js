// Keys of the stage, while it or something in it has the focus.

const MODES = { 1: "slider", 2: "side", 3: "flicker", 4: "left", 5: "right" };
const LAYERS = { d: 0, r: "residual", u: "posterior_std" };

export function installKeys(stage, { planes, modes, contrast, zoom, chooseLayer }) {
  const actions = {
    ArrowLeft: () => planes.step(0, -1),
    ArrowRight: () => planes.step(0, 1),
    ArrowDown: () => planes.step(1, -1),
    ArrowUp: () => planes.step(1, 1),
    "+": () => zoom(1.5),
    "=": () => zoom(1.5),
    "-": () => zoom(1 / 1.5),
    0: () => zoom(null),
    a: () => contrast.auto(),
  };
  for (const [key, mode] of Object.entries(MODES)) actions[key] = () => modes.set(mode);
  for (const [key, layer] of Object.entries(LAYERS)) actions[key] = () => chooseLayer(layer);
  stage.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    action();
  });
}
