// Files and folders that a person chose or dropped, as uploads: single files, and folders that are one image.

const UNWANTED = /^(\.|Thumbs\.db$|desktop\.ini$)/;
const ZARR_ROOT = /^(zarr\.json|\.zgroup|\.zattrs|\.zarray)$/;
const TIFF_SET = /(^NDTiff\.index$|\.companion\.ome$|_metadata\.txt$|_MMStack_.*\.tif$)/;

// An upload: `name`, and `files` of {path, file}; `kind` is file, set (one image) or ask (nobody knows yet).

// Returns the uploads of a file input, or of one for folders.
export function ofInput(input) {
  return grouped([...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
}

// Returns the uploads of what was dropped. Entries must be taken before the first wait: the browser forgets them.
export async function ofDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  const found = [];
  for (const entry of entries) await collect(entry, "", found);
  return grouped(found);
}

async function collect(entry, folder, found) {
  if (entry instanceof File) {
    found.push({ path: entry.name, file: entry });
    return;
  }
  const path = folder + entry.name;
  if (entry.isFile) {
    found.push({ path, file: await new Promise((done, failed) => entry.file(done, failed)) });
    return;
  }
  const reader = entry.createReader();
  // A reader gives a part of a large folder at a time.
  for (let some = [null]; some.length; ) {
    some = await new Promise((done, failed) => reader.readEntries(done, failed));
    for (const each of some) await collect(each, `${path}/`, found);
  }
}

// Returns uploads: an OME-Zarr is one wherever it lies, else the folder that was chosen decides.
export function grouped(found) {
  const uploads = [];
  const folders = new Map();
  for (const each of found) {
    const parts = each.path.split("/");
    const name = parts.at(-1);
    const zarr = parts.findIndex((part, number) => number < parts.length - 1 && /\.zarr$/i.test(part));
    const depth = zarr >= 0 ? zarr + 1 : parts.length > 1 ? 1 : 0;
    if (UNWANTED.test(name) && !ZARR_ROOT.test(name)) continue;
    if (depth === 0) uploads.push({ kind: "file", name, files: [{ path: name, file: each.file }] });
    else add(folders, parts.slice(0, depth).join("/"), parts.slice(depth).join("/"), each.file);
  }
  for (const [folder, files] of folders) uploads.push(ofFolder(folder.split("/").at(-1), files));
  return uploads;
}

function add(folders, folder, path, file) {
  if (!folders.has(folder)) folders.set(folder, []);
  folders.get(folder).push({ path, file });
}

function ofFolder(name, files) {
  const sorted = files.sort((one, other) => (one.path < other.path ? -1 : 1));
  const names = sorted.map((each) => each.path);
  if (/\.zarr$/i.test(name) || names.some((each) => ZARR_ROOT.test(each))) return { kind: "set", name, files: sorted };
  if (names.some((each) => TIFF_SET.test(each.split("/").at(-1)))) return { kind: "set", name, files: sorted };
  if (sorted.length === 1) return separate({ files: sorted })[0];
  return { kind: "ask", name, files: sorted };
}

// Returns the files of a folder as uploads of their own.
export function separate(upload) {
  return upload.files.map((each) => ({ kind: "file", name: each.path.split("/").at(-1), files: [each] }));
}
