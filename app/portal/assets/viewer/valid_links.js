// The links to what is shown that are valid, whoever made them, and their end, one by one.

import { Problem, api } from "../api.js";
import { filled, shortTime, texts } from "../texts.js";

// The links to a residual are listed with those to its result; either may be the layer that is shown.
function nameOf(link, layer) {
  if (link.layer === "residual") return texts.LAYERS.residual;
  if (layer.name === "residual") return texts.RESULT_OF_RESIDUAL;
  return texts.LAYERS[layer.name] ?? texts.OBSERVATION;
}

// Returns a function that asks for them again, if they are to be seen; `onEnded` gets the id of a link.
export function installValidLinks({ told, valid, shown, onEnded }) {
  const details = valid.closest("details");
  let turn = 0;

  async function refresh() {
    if (!details.open) return;
    const own = ++turn;
    const { layers } = shown();
    const hrefs = new Map(layers.map((layer) => [layer.planesHref.replace(/planes$/, "links"), layer]));
    try {
      const found = await Promise.all([...hrefs].map(async ([href, layer]) => itemsOf(href, layer)));
      // Something else is shown since.
      if (own !== turn) return;
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
      name: nameOf(link, layer),
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

  details.addEventListener("toggle", refresh);
  return refresh;
}
