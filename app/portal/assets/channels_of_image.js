// Channels of images, as the registry names them.

import { filled, texts } from "./texts.js";

// Returns the labels of an image's channels, by their names or else indices; none if it has a single channel.
export function channelsOf(image) {
  const { axes, shape, channel_names: names } = image.header;
  const axis = axes.indexOf("C");
  const count = axis < 0 ? 1 : shape[axis];
  if (count < 2) return [];
  return Array.from({ length: count }, (_, channel) => names[channel] || String(channel));
}

// Returns the channels that all images have, in the same order; none if they differ or have a single one.
export function channelsOfAll(images) {
  const found = images.map(channelsOf);
  const same = found.every((each) => JSON.stringify(each) === JSON.stringify(found[0]));
  return found.length && same ? found[0] : [];
}

export function titleOf(label, channel) {
  return label === String(channel) ? filled(texts.UNNAMED_CHANNEL, { number: channel + 1 }) : label;
}
