// The first page: choosing and dropping files, microscope and profile, interrupted uploads.

import { api } from "./api.js";
import { ofDrop, ofInput } from "./chosen_files.js";
import { DenoiseForm } from "./denoise_form.js";
import { whenRegistered } from "./image_origin.js";
import { interrupted } from "./resumable_file.js";
import { readable } from "./sizes.js";
import { filled, texts } from "./texts.js";
import { UploadQueue } from "./upload_queue.js";

const MICROSCOPE = "clearscope-microscope";
const byId = (id) => document.getElementById(id);
const drop = byId("drop");
const microscope = byId("microscope");
const profile = byId("profile");
const form = new DenoiseForm(byId("denoise"));
const queue = new UploadQueue({
  place: (row) => {
    byId("uploads").hidden = false;
    byId("uploads").querySelector("ol").append(row);
  },
  announce,
  ready: (image) => {
    form.add(image);
    showInterrupted();
  },
  denoise: (image) => form.postOne(image),
  changed: () => form.plan(),
  moved: () => form.forget(),
});

function announce(text) {
  byId("told").textContent = text;
}

function add(uploads) {
  const metadata = {};
  if (microscope?.value) metadata.microscope = microscope.value;
  if (profile?.value) metadata.profile = profile.value;
  for (const upload of uploads) {
    if (!queue.add(upload, metadata)) announce(filled(texts.ALREADY, { name: upload.name }));
  }
}

for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
  byId(button).addEventListener("click", () => byId(input).click());
  byId(input).addEventListener("change", () => {
    add(ofInput(byId(input)));
    byId(input).value = ""; // The same file may be chosen again.
  });
}

drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", (event) => {
  if (!drop.contains(event.relatedTarget)) drop.classList.remove("over");
});
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const named = event.dataTransfer.items[0]?.webkitGetAsEntry?.()?.name ?? "";
  const uploads = await ofDrop(event.dataTransfer);
  if (uploads.length) add(uploads);
  else announce(filled(texts.EMPTY_FOLDER, { name: named }));
});
// A file that misses the place must not replace the page.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());

async function showProfiles() {
  localStorage.setItem(MICROSCOPE, microscope.value);
  profile.length = 1;
  profile.disabled = !microscope.value;
  if (!microscope.value) return;
  const response = await api(`/v1/microscopes/${encodeURIComponent(microscope.value)}/profiles?limit=200`);
  for (const each of await response.json()) profile.add(new Option(each.name, each.id));
}

async function showInterrupted() {
  const known = (await interrupted(({ role }) => role === undefined)).filter((upload) => !queue.has(upload.url));
  // The server was done with these while the page was closed.
  for (const upload of known.filter((each) => each.finished)) {
    const image = await upload.image();
    if (image !== null) queue.addFinished(image);
  }
  const found = known.filter((each) => !each.finished);
  const list = byId("unfinished").querySelector("ul");
  list.replaceChildren(...found.map(interruptedRow));
  byId("unfinished").hidden = !found.length;
}

function interruptedRow(upload) {
  const row = byId("interrupted").content.firstElementChild.cloneNode(true);
  row.querySelector("[data-part=name]").textContent = upload.name;
  row.querySelector("[data-part=size]").textContent = filled(texts.INTERRUPTED, {
    done: readable(upload.received),
    size: readable(upload.size),
    until: upload.expires.toLocaleString(),
  });
  const button = row.querySelector("[data-act=forget]");
  button.setAttribute("aria-label", `${button.textContent}: ${upload.name}`);
  button.addEventListener("click", async () => {
    await upload.forget();
    await showInterrupted();
  });
  return row;
}

whenRegistered((name) => microscope?.add(new Option(name, name)));
if (microscope) {
  const last = localStorage.getItem(MICROSCOPE);
  if ([...microscope.options].some((option) => option.value === last)) microscope.value = last;
  microscope.addEventListener("change", showProfiles);
  await showProfiles();
}
await showInterrupted();
document.documentElement.dataset.ready = "true";
