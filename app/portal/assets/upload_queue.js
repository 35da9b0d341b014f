// The uploads of this page, some at a time, and what a person does with them.

import { packed } from "./packed_folder.js";
import { ResumableFile, Stopped } from "./resumable_file.js";
import { filled, texts } from "./texts.js";
import { readable } from "./sizes.js";
import { UploadRow } from "./upload_row.js";

const AT_ONCE = 3;
const ALIVE = new Set(["asking", "waiting", "packing", "sending", "reading", "paused", "stopped"]);

export class UploadQueue {
  // `place(row)` shows a row, `announce(text)` tells what happened, `ready(image, row)` takes an image, `denoise` too;
  // `changed()` is called when the person chose other images of a file, `moved()` when one has another microscope.
  constructor({ place, announce, ready, denoise, changed, moved }) {
    Object.assign(this, { place, announce, ready, denoise, changed, moved });
    this.entries = [];
    this.waiting = [];
    this.running = 0;
  }

  // Adds an upload, unless it is there; returns whether. `metadata` is what the person told of it.
  add(upload, metadata) {
    const identity = identityOf(upload, metadata);
    if (this.entries.some((each) => each.identity === identity && ALIVE.has(each.state))) return false;
    const size = upload.files.reduce((sum, each) => sum + each.file.size, 0);
    const entry = { upload, metadata, identity, size, sender: null, image: null, state: "waiting", stopping: new AbortController() };
    entry.row = new UploadRow(upload.name, size, (action) => this.act(entry, action));
    this.entries.push(entry);
    this.place(entry.row.element);
    if (upload.kind === "ask") {
      this.show(entry, "asking", filled(texts.ASK, { count: upload.files.length }));
    } else {
      this.enqueue(entry);
    }
    return true;
  }

  // Adds an image whose upload ended while no page saw it.
  addFinished(image) {
    const entry = { upload: { name: image.filename }, image, state: "waiting", sender: null };
    entry.row = new UploadRow(image.filename, image.size_bytes, (action) => this.act(entry, action));
    this.entries.push(entry);
    this.place(entry.row.element);
    this.finish(entry);
  }

  async finish(entry) {
    const shown = entry.row.showImage(entry.image);
    this.show(entry, "finished", texts.FINISHED);
    this.announce(`${entry.upload.name}: ${texts.FINISHED}`);
    await shown;
    this.ready(entry.image, entry.row);
  }

  // Whether a row of this page has the upload at this address.
  has(url) {
    return this.entries.some((entry) => entry.state !== "cancelled" && entry.sender?.upload?.url?.endsWith(url));
  }

  act(entry, action) {
    const actions = {
      one: () => this.enqueue(entry, "set"),
      separate: () => this.split(entry),
      pause: () => this.pause(entry),
      resume: () => this.enqueue(entry),
      retry: () => this.enqueue(entry),
      cancel: () => this.cancel(entry),
      denoise: () => this.denoise(entry.image),
      chosen: () => this.changed(),
      moved: () => this.moved(),
    };
    actions[action]();
  }

  enqueue(entry, kind = entry.upload.kind) {
    entry.upload.kind = kind;
    entry.stopping = new AbortController();
    this.show(entry, "waiting", texts.WAITING);
    this.waiting.push(entry);
    this.next();
  }

  next() {
    while (this.running < AT_ONCE && this.waiting.length) {
      this.running += 1;
      this.run(this.waiting.shift()).finally(() => {
        this.running -= 1;
        this.next();
      });
    }
  }

  async run(entry) {
    if (entry.state !== "waiting") return;
    const { signal } = entry.stopping;
    try {
      entry.file ??= await this.fileOf(entry, signal);
      if (signal.aborted) return;
      this.show(entry, "sending", "");
      entry.row.progress(0, entry.file.size, texts.SENDING);
      entry.sender = new ResumableFile(entry.file, { ...entry.metadata, filename: entry.file.name }, {
        progress: (done, size) => {
          if (!signal.aborted) entry.row.progress(done, size, texts.SENDING);
        },
        reading: () => this.showUnless(signal, entry, "reading", texts.READING),
        retrying: () => this.showUnless(signal, entry, "sending", texts.RETRYING),
      });
      const stopped = new Promise((done) => signal.addEventListener("abort", () => done(null)));
      entry.image = await Promise.race([entry.sender.send(), stopped]);
      if (entry.image === null) return;
      await this.finish(entry);
    } catch (error) {
      if (!signal.aborted) this.showError(entry, error);
    }
  }

  async fileOf(entry, signal) {
    const { upload, row, size } = entry;
    if (upload.kind === "file") return upload.files[0].file;
    this.show(entry, "packing", "");
    return packed(upload.name, upload.files, (done) => row.progress(done, size, texts.PACKING), signal);
  }

  showError(entry, error) {
    const stopped = error instanceof Stopped ? error : new Stopped(unreadable(error) ? "unreadable" : "refused", error.message);
    const text = { lost: texts.LOST, unreadable: texts.UNREADABLE }[stopped.kind];
    const told = text ?? filled(texts.REFUSED, { detail: stopped.detail });
    this.show(entry, "stopped", told);
    this.announce(`${entry.upload.name}: ${told}`);
  }

  split(entry) {
    entry.row.element.remove();
    entry.state = "cancelled";
    for (const each of entry.upload.files) {
      this.add({ kind: "file", name: each.path.split("/").at(-1), files: [each] }, entry.metadata);
    }
  }

  async pause(entry) {
    entry.stopping.abort();
    const { value } = entry.row.part("progress");
    this.show(entry, "paused", filled(texts.PAUSED, { done: readable(value), size: readable(entry.file.size) }));
    await entry.sender.pause();
  }

  async cancel(entry) {
    entry.stopping.abort();
    this.waiting = this.waiting.filter((each) => each !== entry);
    this.show(entry, "cancelled", texts.CANCELLED);
    await entry.sender?.cancel();
  }

  showUnless(signal, entry, state, text) {
    if (!signal.aborted) this.show(entry, state, text);
  }

  show(entry, state, text) {
    entry.state = state;
    entry.row.show(state, text);
  }
}

// Two uploads of one file would be taken for the same by the server's protocol.
function identityOf({ files }, metadata) {
  const told = files.map(({ path, file }) => [path, file.size, file.lastModified]);
  return JSON.stringify([told, metadata.microscope, metadata.profile]);
}

function unreadable(error) {
  return ["NotReadableError", "NotFoundError"].includes(error.name);
}
