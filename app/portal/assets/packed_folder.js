// A folder as an uncompressed ZIP archive, whose files stay on disk: the browser reads them while it sends them.

const CHUNK_BYTES = 4 * 1024 * 1024;
const LARGEST_32 = 0xffffffff;
const LARGEST_16 = 0xffff;
const UTF8_NAMES = 0x0800;
const DOS_DATE_1980 = 0x0021; // Without times, equal folders make equal archives.

// Returns a File with the archive. `told(bytes)` is called as the files are read for their checksums; `signal`
// stops it.
export async function packed(name, files, told, signal) {
  const parts = [];
  const directory = [];
  let offset = 0;
  let done = 0;
  for (const { path, file } of files) {
    const crc = await checksum(file, signal, (bytes) => told((done += bytes)));
    const entry = { name: new TextEncoder().encode(path), crc, size: file.size, offset };
    const header = localHeader(entry);
    parts.push(header, file);
    directory.push(centralHeader(entry));
    offset += header.length + file.size;
  }
  const size = directory.reduce((sum, each) => sum + each.length, 0);
  parts.push(...directory, ...end(directory.length, size, offset));
  const modified = files.reduce((newest, { file }) => Math.max(newest, file.lastModified), 0);
  return new File(parts, `${name}.zip`, { type: "application/zip", lastModified: modified });
}

async function checksum(file, signal, told) {
  let crc = -1;
  for (let start = 0; start < file.size; start += CHUNK_BYTES) {
    signal.throwIfAborted();
    const bytes = new Uint8Array(await file.slice(start, start + CHUNK_BYTES).arrayBuffer());
    crc = crc32(crc, bytes);
    told(bytes.length);
  }
  return ~crc >>> 0;
}

const TABLE = Int32Array.from({ length: 256 }, (_, number) => {
  let value = number;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

export function crc32(crc, bytes) {
  for (let index = 0; index < bytes.length; index += 1) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[index]) & 0xff];
  return crc;
}

// Fields of an archive, in the byte order of the format: [bytes, value] each.
function record(fields, ...texts) {
  const length = fields.reduce((sum, [bytes]) => sum + bytes, 0);
  const view = new DataView(new ArrayBuffer(length));
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  }
  const whole = new Uint8Array(length + texts.reduce((sum, text) => sum + text.length, 0));
  whole.set(new Uint8Array(view.buffer));
  for (const text of texts) {
    whole.set(text, at);
    at += text.length;
  }
  return whole;
}

const capped = (value, most) => (value >= most ? most : value);

function localHeader({ name, crc, size }) {
  const large = size >= LARGEST_32;
  const extra = large ? record([[2, 1], [2, 16], [8, size], [8, size]]) : new Uint8Array();
  return record(
    [[4, 0x04034b50], [2, large ? 45 : 20], [2, UTF8_NAMES], [2, 0], [2, 0], [2, DOS_DATE_1980], [4, crc],
      [4, capped(size, LARGEST_32)], [4, capped(size, LARGEST_32)], [2, name.length], [2, extra.length]],
    name,
    extra,
  );
}

function centralHeader({ name, crc, size, offset }) {
  const large = [];
  if (size >= LARGEST_32) large.push([8, size], [8, size]);
  if (offset >= LARGEST_32) large.push([8, offset]);
  const extra = large.length ? record([[2, 1], [2, 8 * large.length], ...large]) : new Uint8Array();
  const version = large.length ? 45 : 20;
  return record(
    [[4, 0x02014b50], [2, version], [2, version], [2, UTF8_NAMES], [2, 0], [2, 0], [2, DOS_DATE_1980], [4, crc],
      [4, capped(size, LARGEST_32)], [4, capped(size, LARGEST_32)], [2, name.length], [2, extra.length], [2, 0],
      [2, 0], [2, 0], [4, 0], [4, capped(offset, LARGEST_32)]],
    name,
    extra,
  );
}

function end(entries, size, offset) {
  const last = record([
    [4, 0x06054b50], [2, 0], [2, 0], [2, capped(entries, LARGEST_16)], [2, capped(entries, LARGEST_16)],
    [4, capped(size, LARGEST_32)], [4, capped(offset, LARGEST_32)], [2, 0],
  ]);
  if (entries < LARGEST_16 && size < LARGEST_32 && offset < LARGEST_32) return [last];
  const large = record([
    [4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, entries], [8, entries], [8, size], [8, offset],
  ]);
  return [large, record([[4, 0x07064b50], [4, 0], [8, offset + size], [4, 1]]), last];
}
