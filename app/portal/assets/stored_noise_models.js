// The stored versions of noise models that a person may choose for images: one, or one for each channel.

import { api } from "./api.js";
import { titleOf } from "./channels_of_image.js";
import { filled, texts } from "./texts.js";

const MOST = 200;

export class StoredNoiseModels {
  // `place`: gets the selects; `hint`: gets what may be chosen, or why nothing may.
  constructor(place, hint) {
    this.place = place;
    this.hint = hint;
    this.asked = 0;
    this.known = new Map();
    this.shown = "";
  }

  // Offers the versions of the images' microscope; returns whether there are some.
  async offerFor(images, channels) {
    this.asked += 1;
    const asked = this.asked;
    const names = new Set(images.map((image) => image.origin?.microscope ?? null));
    const [microscope] = names;
    if (names.size !== 1 || microscope === null) {
      const text = names.size > 1 ? texts.STORED_DIFFERENT : texts.STORED_NO_MICROSCOPE;
      return this.tell(text, [], [], "");
    }
    try {
      const models = await this.versionsOf(microscope);
      if (asked !== this.asked) return this.place.children.length > 0; // Other images came meanwhile.
      const text = models.length < MOST ? texts.STORED_HINT : texts.STORED_NEWEST;
      const usable = models.filter((model) => !model.retired && model.belongs_to);
      const told = filled(usable.length ? text : texts.STORED_NONE, { microscope });
      return this.tell(told, usable, channels, JSON.stringify([microscope, channels]));
    } catch (error) {
      return this.tell(filled(texts.STORED_UNKNOWN, { detail: error.message }), [], [], "");
    }
  }

  // Versions are asked for again when the page is loaded again.
  versionsOf(microscope) {
    if (!this.known.has(microscope)) {
      const query = new URLSearchParams({ microscope, limit: MOST });
      const models = api(`/v1/noise-models?${query}`).then((response) => response.json());
      this.known.set(microscope, models);
      models.catch(() => this.known.delete(microscope));
    }
    return this.known.get(microscope);
  }

  tell(text, models, channels, shown) {
    this.hint.textContent = text;
    if (shown !== this.shown) {
      const single = [labelled(texts.STORED_ONE, options(models))];
      const each = channels.map((label, channel) => {
        const own = models.filter((model) => model.channel === null || model.channel === label);
        const title = filled(texts.STORED_OF, { channel: titleOf(label, channel) });
        return labelled(title, [new Option(texts.STORED_AUTOMATIC, ""), ...options(own)]);
      });
      this.place.replaceChildren(...(models.length ? (channels.length ? each : single) : []));
      this.shown = shown;
    }
    return models.length > 0;
  }

  // Returns the field of a job: an id, or one for each channel; undefined if none is named. `channel`: the only one.
  named(channel) {
    const ids = [...this.place.querySelectorAll("select")].map((select) => select.value || null);
    if (ids.length < 2 || channel !== null) return ids[ids.length < 2 ? 0 : channel] ?? undefined;
    return ids.some(Boolean) ? ids : undefined;
  }
}

function labelled(title, choices) {
  const label = document.createElement("label");
  const select = document.createElement("select");
  select.append(...choices);
  label.append(title, select);
  return label;
}

// Returns the versions below the names of their profiles.
function options(models) {
  const profiles = new Map();
  for (const model of models) {
    const { profile } = model.belongs_to;
    if (!profiles.has(profile)) {
      const group = document.createElement("optgroup");
      group.label = profile;
      profiles.set(profile, group);
    }
    profiles.get(profile).append(new Option(wordsOf(model), model.id));
  }
  return [...profiles.values()];
}

function wordsOf(model) {
  const { version, channel, created_at: created } = model;
  const origin = texts.ORIGINS[model.origin] ?? model.origin;
  const words = [filled(texts.STORED_VERSION, { version, origin, date: created.slice(0, 10) })];
  if (channel !== null) words.push(filled(texts.STORED_CHANNEL, { channel }));
  if (model.active) words.push(texts.STORED_ACTIVE);
  if (model.drift) words.push(texts.STORED_DRIFTED);
  return words.join(", ");
}
