// Layers of an image that can be looked at, and addresses of what the server tells of them.

const ESTIMATES = ["denoised", "mmse", "prior_mean"];

// A layer: its name, the window of contrast that it shares with others, colours, and its addresses.
class Layer {
  constructor(name, planesHref, { contrast = "signal", colours = "grey", query = {} } = {}) {
    Object.assign(this, { name, planesHref, contrast, colours, query });
  }

  address(rest, query = {}) {
    const all = new URLSearchParams({ ...this.query, ...query });
    return `${this.planesHref}${rest}${all.size > 0 ? `?${all}` : ""}`;
  }
}

// Returns the layers of a line profile.
export function profiled(observation, layers) {
  return {
    observation,
    estimate: layers.find((each) => ESTIMATES.includes(each.name)),
    deviation: layers.find((each) => each.name === "posterior_std"),
  };
}

// Returns the image itself, or null if it has been deleted.
export function observationOf(image) {
  return image.planes_href === null ? null : new Layer("observation", image.planes_href);
}

// Returns the layers that an image is compared with: its outputs, and what the best of them removed.
export function comparedOf(image) {
  const layers = image.outputs.map((each) => {
    const own = each.output === "posterior_std" ? { contrast: "posterior_std" } : {};
    return new Layer(each.output, each.planes_href, own);
  });
  const estimate = layers.find((each) => ESTIMATES.includes(each.name));
  if (estimate && image.planes_href !== null) {
    const residual = { contrast: "residual", colours: "diverging", query: { layer: "residual" } };
    layers.push(new Layer("residual", estimate.planesHref, residual));
  }
  return layers;
}
