// The two container formats of a model bundle: zip archives, and NumPy's arrays within them.

import { MienError } from './errors.js';

const END_OF_DIRECTORY = 0x06054b50;
const STORED = 0;
const DEFLATED = 8;

/**
 * The files of a zip archive.
 *
 * @param {Uint8Array} bytes the archive; encryption and archives above 4 GB are not read.
 * @param {string} name what it is called in an error.
 * @returns {Promise<Map<string, Uint8Array>>}
 */
export async function readZip(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END_OF_DIRECTORY) end -= 1;
  if (end < 0) throw new MienError(`${name} is damaged: it is not a zip archive.`);
  const files = new Map();
  let place = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left -= 1) {
    const method = view.getUint16(place + 10, true);
    const packed = view.getUint32(place + 20, true);
    const nameLength = view.getUint16(place + 28, true);
    const others = view.getUint16(place + 30, true) + view.getUint16(place + 32, true);
    const local = view.getUint32(place + 42, true);
    const file = new TextDecoder().decode(bytes.subarray(place + 46, place + 46 + nameLength));
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const content = bytes.subarray(start, start + packed);
    if (method === STORED) files.set(file, content);
    else if (method === DEFLATED) files.set(file, await inflate(content));
    else throw new MienError(`${name} is damaged: ${file} is packed in a way that is not known (${method}).`);
    place += 46 + nameLength + others;
  }
  return files;
}

async function inflate(content) {
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const ARRAYS = { '|u1': Uint8Array, '<f4': Float32Array, '<f8': Float64Array };

/**
 * The arrays of an .npz file.
 *
 * @returns {Promise<Object<string, {shape: number[], data: TypedArray}>>}
 */
export async function readArrays(bytes, name) {
  const arrays = {};
  for (const [file, content] of await readZip(bytes, name)) {
    arrays[file.replace(/\.npy$/, '')] = readArray(content, `${name}, ${file}`);
  }
  return arrays;
}

function readArray(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[6] >= 2;
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const head = new TextDecoder('latin1').decode(bytes.subarray(start, start + length));
  const type = /'descr':\s*'([^']+)'/.exec(head)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(head)?.[1];
  const ordered = /'fortran_order':\s*False/.test(head);
  if (!(type in ARRAYS) || shape === undefined || !ordered) {
    throw new MienError(`${name} is not an array that the page can read. Received: ${head.trim()}`);
  }
  const data = new ARRAYS[type](bytes.slice(start + length).buffer);
  return { shape: shape.split(',').filter((part) => part.trim()).map(Number), data };
}
