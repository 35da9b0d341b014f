// What a person chose beside the preset, as fields of a job, and which choices go together.

import { channelsOfAll, titleOf } from "./channels_of_image.js";
import { StoredNoiseModels } from "./stored_noise_models.js";
import { filled, texts } from "./texts.js";

export class DenoiseOptions {
  constructor(form) {
    this.form = form;
    this.stored = form.querySelector("#stored-noise-models");
    this.models = new StoredNoiseModels(
      this.stored.querySelector('[data-part="channels"]'),
      form.querySelector("#noise-stored-hint"),
    );
    this.hasStored = false;
    this.channels = [];
    this.refresh();
  }

  // Offers what these images have: their channels, and the versions of their microscope. Settles when it is shown.
  async offerFor(images) {
    this.showChannels(channelsOfAll(images));
    this.hasStored = await this.models.offerFor(images, this.channels);
    this.refresh();
  }

  showChannels(channels) {
    if (JSON.stringify(channels) === JSON.stringify(this.channels)) return;
    this.channels = channels;
    const choices = channels.map(
      (label, channel) => new Option(filled(texts.ONLY_CHANNEL, { channel: titleOf(label, channel) }), channel),
    );
    this.form.elements.channel.replaceChildren(new Option(texts.ALL_CHANNELS, ""), ...choices);
    this.form.querySelector("#channel-choice").hidden = !channels.length;
  }

  // Takes choices back that the others rule out.
  refresh() {
    const { elements } = this.form;
    const preset = elements.preset.value;
    this.allow("method", "none", preset !== "instant"); // which trains nothing
    this.allow("method", "packaged", preset !== "paper"); // which never starts from a network
    this.allow("noise", "stored", this.hasStored);
    const adapts = preset === "instant" || elements.method.value === "packaged";
    elements.pn2v.disabled = adapts;
    this.stored.hidden = elements.noise.value !== "stored";
    const only = elements.channel.value;
    this.models.place.querySelectorAll("label").forEach((label, channel) => {
      label.hidden = only !== "" && Number(only) !== channel;
    });
    const changed = Object.keys(this.fields()).length > 0;
    const summary = this.form.querySelector("#options > summary");
    summary.textContent = changed ? texts.OPTIONS_CHANGED : texts.OPTIONS_DEFAULT;
  }

  allow(name, value, allowed) {
    const input = this.form.querySelector(`input[name="${name}"][value="${value}"]`);
    if (input === null) return;
    input.disabled = !allowed;
    if (!allowed && input.checked) this.form.querySelector(`input[name="${name}"][value=""]`).checked = true;
  }

  // Returns the fields of a job that differ from what the server takes by itself.
  fields() {
    const { elements } = this.form;
    const fields = {};
    const channel = elements.channel.value === "" ? null : Number(elements.channel.value);
    if (channel !== null) fields.channel = channel;
    if (elements.method.value === "none") fields.prior = "none";
    if (elements.method.value === "packaged") fields.pretrained = "packaged";
    if (elements.noise.value === "alone") fields.reuse = "none";
    if (elements.noise.value === "earlier") fields.reuse = "noise_model";
    const named = elements.noise.value === "stored" ? this.models.named(channel) : undefined;
    if (named !== undefined) {
      fields.noise_model = named;
      if (elements.force.checked) fields.force = true;
    }
    const uncertainty = elements.uncertainty.checked;
    const pn2v = elements.pn2v.checked && !elements.pn2v.disabled;
    if (!uncertainty || pn2v) {
      fields.outputs = ["denoised", ...(uncertainty ? ["posterior_std"] : []), ...(pn2v ? ["prior_mean", "mmse"] : [])];
    }
    if (elements.keep_hot_pixels.checked) fields.keep_hot_pixels = true;
    if (elements.output_format.value !== "same") fields.output_format = elements.output_format.value;
    if (elements.output_dtype.value !== "float32") fields.output_dtype = elements.output_dtype.value;
    return fields;
  }
}
