// The links to what is shown that are valid, whoever made them, and their end, one by one.

import { Problem, api } from "../api.js";
import { filled, shortTime, texts } from "../texts.js";

// Returns a function that asks for them again; `onEnded` gets the id of a link.
export function installValidLinks({ told, valid, shown, onEnded }) {
  async function refresh() {
    const { layers } = shown();
    const hrefs = new Map(layers.map((layer) => [layer.planesHref.replace(/planes$/, "links"), layer]));
    try {
      const found = await Promise.all([...hrefs].map(async ([href, layer]) => itemsOf(href, layer)));
      valid.replaceChildren(...found.flat());
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      told.textContent = `${error.message}.`;
    }
    valid.parentElement.hidden = valid.childElementCount === 0;
  }

  async function itemsOf(href, layer) {
    const links = await (await api(href)).json();
    return links.map((link) => item(href, link, layer));
  }

  function item(href, link, layer) {
    const values = {
      name: link.layer === "residual" ? texts.LAYERS.residual : (texts.LAYERS[layer.name] ?? texts.OBSERVATION),
      time: shortTime(link.created_at),
      who: link.made_by ?? texts.WITHOUT_KEY,
      until: shortTime(link.expires_at),
    };
    const row = document.createElement("li");
    const end = document.createElement("button");
    Object.assign(end, { type: "button", className: "secondary", textContent: texts.END_LINK });
    end.setAttribute("aria-label", filled(texts.END_LINK_OF, values));
    end.addEventListener("click", async () => {
      told.textContent = "";
      try {
        await api(`${href}/${link.id}`, { method: "DELETE" });
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        told.textContent = `${error.message}.`;
        return;
      }
      onEnded(link.id);
      await refresh();
      told.textContent = filled(texts.LINK_ENDED, values);
    });
    row.append(filled(texts.LINK_OF, values), " ", end);
    return row;
  }

  valid.closest("details").addEventListener("toggle", (event) => {
    if (event.target.open) refresh();
  });
  return refresh;
}
