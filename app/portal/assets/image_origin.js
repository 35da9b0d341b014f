// The microscope and profile of an uploaded image: found by what its file tells, and changed by the person.

import { api } from "./api.js";
import { pageData } from "./data.js";
import { filled, texts } from "./texts.js";

const REGISTERED = "clearscope-microscope-registered";
const names = pageData("microscopes").map((microscope) => microscope.name);

// Calls `added(name)` for each microscope that the person registers on this page.
export function whenRegistered(added) {
  document.addEventListener(REGISTERED, (event) => added(event.detail));
}

export class ImageOrigin {
  // `element`: the part of an image's row; `changed()`: called when the image has another microscope or profile.
  constructor(element, image, changed) {
    Object.assign(this, { element, image, changed });
    this.microscope = this.part("microscope");
    this.profile = this.part("profile");
    // Several rows have fields of the same name.
    for (const field of [this.microscope, this.profile]) {
      field.setAttribute("aria-label", `${field.dataset.label}: ${image.filename}`);
    }
    this.microscope.append(new Option(texts.ORIGIN_NONE, ""), ...names.map((name) => new Option(name, name)));
    whenRegistered((name) => this.microscope.add(new Option(name, name)));
    this.microscope.addEventListener("change", () => this.choose(this.microscope.value, ""));
    this.profile.addEventListener("change", () => this.choose(this.microscope.value, this.profile.value));
    this.part("register-now")?.addEventListener("click", () => this.register());
  }

  part(name) {
    return this.element.querySelector(`[data-part="${name}"]`);
  }

  // Takes the microscope that the file tells, unless the person chose one, and shows it.
  async begin() {
    this.element.hidden = false;
    const chosen = this.image.origin !== null;
    try {
      const matches = await (await api(`/v1/images/${this.image.id}/microscope-matches`)).json();
      const [best] = matches;
      if (!chosen && best?.certain) await this.assign(best.microscope.name, null);
      this.tell(chosen, matches);
    } catch (error) {
      this.refuse(error);
    }
    await this.show();
  }

  tell(chosen, matches) {
    const [best] = matches;
    const named = matches.map((match) => match.microscope.name);
    const own = this.image.origin?.microscope;
    const cameras = [...new Set(this.image.header.acquisition.map(cameraOf).filter(Boolean))].join("; ");
    const { microscope } = this.image.header;
    const told = { told: best?.told, microscope: named.join(", "), camera: cameras || microscope };
    let text = "";
    if (named.includes(own)) text = chosen ? "" : texts.ORIGIN_FROM_FILE;
    else if (best?.certain) text = texts.ORIGIN_OTHER;
    else if (chosen) text = "";
    else if (best) text = named.length > 1 ? texts.ORIGIN_SEVERAL : texts.ORIGIN_PERHAPS;
    else text = told.camera ? texts.ORIGIN_UNKNOWN : texts.ORIGIN_SILENT;
    const element = this.part("told");
    element.textContent = filled(text, told);
    element.className = chosen && text ? "notice warn" : "quiet";
    element.hidden = !text;
    if (this.part("register")) this.part("register").hidden = this.image.origin !== null;
  }

  async show() {
    const { origin, profile_choice: choice } = this.image;
    this.microscope.value = origin?.microscope ?? "";
    this.profile.replaceChildren(new Option(texts.ORIGIN_BY_FILE, ""));
    this.profile.disabled = origin === null;
    if (origin === null) return;
    const path = `/v1/microscopes/${encodeURIComponent(origin.microscope)}/profiles?limit=200`;
    const profiles = await (await api(path)).json().catch(() => []);
    for (const each of profiles) this.profile.add(new Option(each.name, each.id));
    this.profile.value = choice === "named" ? origin.profile_id : "";
  }

  async choose(microscope, profile) {
    this.part("refused").hidden = true;
    this.element.setAttribute("aria-busy", "true");
    try {
      await this.assign(microscope || null, profile || null);
      this.part("told").hidden = true;
      if (this.part("register")) this.part("register").hidden = microscope !== "";
      this.changed();
    } catch (error) {
      this.refuse(error);
    } finally {
      this.element.removeAttribute("aria-busy");
    }
    await this.show();
  }

  async assign(microscope, profile) {
    const response = await api(`/v1/images/${this.image.id}`, { method: "PATCH", json: { microscope, profile } });
    const { origin, profile_choice, warnings } = await response.json();
    Object.assign(this.image, { origin, profile_choice, warnings });
  }

  async register() {
    const name = this.part("new-name").value.trim();
    this.part("refused").hidden = true;
    try {
      await api("/v1/microscopes", { method: "POST", json: { name } });
    } catch (error) {
      this.refuse(error);
      return;
    }
    document.dispatchEvent(new CustomEvent(REGISTERED, { detail: name }));
    names.push(name);
    await this.choose(name, "");
    this.microscope.focus();
  }

  refuse(error) {
    this.part("refused").textContent = `${error.message}.`;
    this.part("refused").hidden = false;
  }
}

function cameraOf({ camera, serial }) {
  return [camera, serial && filled(texts.ORIGIN_SERIAL, { serial })].filter(Boolean).join(", ");
}
