// One file on its way to the server, by tus: it goes on after a lost connection, a reload or a restart.

import { api, signIn } from "./api.js";

const ENDPOINT = "/v1/uploads";
const CHUNK_BYTES = 64 * 1024 * 1024;
const RETRY_DELAYS_MS = [0, 1000, 2000, 4000, 8000, 15000, 30000, 30000, 30000, 60000, 60000];
const PORTAL = { "X-ClearScope-Portal": "1" };
const PREFIX = "clearscope";
const { tus } = globalThis;

// Why an upload stopped: `kind` is refused (`detail` says why), lost or unreadable.
export class Stopped extends Error {
  constructor(kind, detail = "") {
    super(detail || kind);
    this.kind = kind;
    this.detail = detail;
  }
}

export class ResumableFile {
  // `told` has functions: progress(sent, size), reading(), retrying().
  constructor(file, metadata, told) {
    this.file = file;
    this.metadata = metadata;
    this.told = told;
    this.upload = null;
  }

  // Sends what the server lacks, and returns the document of the image. Throws Stopped.
  async send() {
    const result = new Promise((done, failed) => {
      this.upload = new tus.Upload(this.file, {
        ...this.options(),
        onSuccess: done,
        onError: (error) => failed(reasonOf(error)),
      });
    });
    const [earlier] = await this.upload.findPreviousUploads();
    if (earlier) this.upload.resumeFromPreviousUpload(earlier);
    this.upload.start();
    await result;
    const { image } = await documentOf(this.upload.url);
    await this.forgetAddress(); // Until here, another attempt finds the image instead of sending the file again.
    return image;
  }

  async forgetAddress() {
    for (const each of await this.upload.findPreviousUploads()) await stored().removeUpload(each.urlStorageKey);
  }

  options() {
    return {
      endpoint: ENDPOINT,
      headers: PORTAL,
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_DELAYS_MS,
      metadata: this.metadata,
      fingerprint: async (file) => fingerprint(file, this.metadata),
      onProgress: (sent, size) => {
        this.told.progress(sent, size);
        if (sent === size) this.told.reading();
      },
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        const again = status === 0 || status >= 500 || [409, 423, 429].includes(status);
        if (again && status !== 423) this.told.retrying();
        return again;
      },
    };
  }

  // Stops sending; the server keeps what it has.
  async pause() {
    await this.upload?.abort();
  }

  // Stops sending, and deletes what the server has.
  async cancel() {
    if (this.upload === null) return;
    await this.upload.abort();
    await this.forgetAddress();
    if (this.upload.url) await forget(this.upload.url);
  }
}

async function documentOf(url) {
  try {
    return await (await api(url)).json();
  } catch (error) {
    throw error.status === 0 ? new Stopped("lost") : error;
  }
}

function fingerprint(file, metadata) {
  const { microscope = "", profile = "", role = "" } = metadata;
  const told = [PREFIX, file.name, file.size, file.lastModified, microscope, profile, ...(role ? [role] : [])];
  return told.map(encodeURIComponent).join("-");
}

function reasonOf(error) {
  const response = error.originalResponse;
  const status = response?.getStatus() ?? 0;
  if (status === 401) signIn();
  if (status === 0) {
    const unreadable = /NotReadable|NotFound|could not be read/i.test(String(error.causingError ?? error));
    return new Stopped(unreadable ? "unreadable" : "lost");
  }
  if (status >= 500 && status !== 507) return new Stopped("lost");
  try {
    return new Stopped("refused", JSON.parse(response.getBody()).detail);
  } catch {
    return new Stopped("refused", `the server answered ${status}`);
  }
}

function stored() {
  return tus.defaultOptions.urlStorage;
}

async function forget(url) {
  const headers = { ...PORTAL, "Tus-Resumable": "1.0.0" };
  await fetch(url, { method: "DELETE", headers, keepalive: true }); // also if the page is left meanwhile
}

// Returns the uploads that this browser began and did not see the end of: {name, metadata, received, size, expires, url,
// finished, forget, image}. `wanted(metadata)`: whether the page shows such uploads.
export async function interrupted(wanted) {
  const found = [];
  for (const each of (await stored().findAllUploads()).filter(({ metadata }) => wanted(metadata))) {
    const asked = { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } };
    const response = await fetch(each.uploadUrl, asked).catch(() => null);
    if (response === null) continue; // The connection is lost; the browser keeps it in mind.
    // Expired, or of another key: whoever has this browser now is not told the name of the file.
    if ([404, 410].includes(response.status)) await stored().removeUpload(each.urlStorageKey);
    if (!response.ok) continue;
    found.push({
      finished: response.headers.has("ClearScope-Image"),
      // Returns the image of a finished upload, which is no longer kept in mind.
      image: async () => {
        await stored().removeUpload(each.urlStorageKey);
        return (await (await api(each.uploadUrl)).json()).image;
      },
      name: each.metadata.filename,
      metadata: each.metadata,
      received: Number(response.headers.get("Upload-Offset")),
      size: Number(response.headers.get("Upload-Length")),
      expires: new Date(response.headers.get("Upload-Expires")),
      url: each.uploadUrl,
      forget: async () => {
        await forget(each.uploadUrl);
        await stored().removeUpload(each.urlStorageKey);
      },
    });
  }
  return found;
}
