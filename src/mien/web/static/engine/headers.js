// What the header of a photo file tells and a decoded picture does not: EXIF's orientation, frames, 16 bits, the size of a
// JPEG. The notes are those of src/mien/images.py; the browser itself turns the picture, takes the first frame and keeps
// 8 bits.

const START_BYTES = 12;
const ORIENTATION = 0x0112;
const DAMAGED = 'EXIF data is damaged and was ignored';
const UNIT_BYTES = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8 };
const SHORT_TYPES = [3, 8];
const LONG_TYPES = [4, 9, 13];

/**
 * The bytes of a file.
 *
 * @param {Blob} file a photo in any form.
 * @returns {Promise<Uint8Array>} all of them where there is something to read in them, otherwise the first twelve.
 */
export async function bytesOf(file) {
  const start = new Uint8Array(await file.slice(0, START_BYTES).arrayBuffer());
  return kindOf(start) === null ? start : new Uint8Array(await file.arrayBuffer());
}

/** What a file is by its first bytes: 'jpeg', 'png', 'gif' or 'webp'; null for any other. */
export function kindOf(bytes) {
  const start = ascii(bytes, 0, START_BYTES);
  if (start.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (start.startsWith('\x89PNG')) return 'png';
  if (start.startsWith('GIF8')) return 'gif';
  return start.startsWith('RIFF') && start.endsWith('WEBP') ? 'webp' : null;
}

/** Whether a file's first bytes are those of Apple's form for photos. */
export function isHeic(bytes) {
  return /^ftyp(hei[cxms]|hev[cx]|mif1|msf1)/.test(ascii(bytes, 4, START_BYTES));
}

/**
 * What to note of a file.
 *
 * @param {Uint8Array} bytes what `bytesOf` gave.
 * @returns {{first: string[], exif: string[], orientation: number}} what is noted before and after what happens to its
 *   pixels; EXIF's orientation, 1 to 8, by which they are turned.
 */
export function headerNotes(bytes) {
  const kind = kindOf(bytes);
  try {
    if (kind === 'jpeg') return notesOf(1, false, exifOfJpeg(bytes));
    if (kind === 'png') return notesOfPng(bytes);
    if (kind === 'gif') return notesOf(framesOfGif(bytes), false, null);
    if (kind === 'webp') return notesOfWebp(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the file ends within its header: the decoder says more of it
  }
  return { first: [], exif: [], orientation: 1 };
}

function notesOf(frames, deep, exif) {
  const first = frames > 1 ? [`frame 1 of ${frames}`] : [];
  if (deep) first.push('16 bits scaled to 8');
  return { first, ...(exif === null || exif.length === 0 ? { exif: [], orientation: 1 } : readExif(exif)) };
}

function ascii(bytes, start, end) {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function viewOfBytes(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The width and height of a JPEG as its pixels are stored, without a turn by EXIF.
 *
 * @param {Uint8Array} bytes a JPEG.
 * @returns {[number, number] | null} null when it does not tell them.
 */
export function jpegSize(bytes) {
  for (const { marker, start, end } of segmentsOfJpeg(bytes)) {
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker); // those hold tables
    if (isFrame && start + 5 <= Math.min(end, bytes.length)) {
      const view = viewOfBytes(bytes);
      return [view.getUint16(start + 3), view.getUint16(start + 1)];
    }
  }
  return null;
}

/** The segments of a JPEG before its pixels: marker, first byte of the content, byte after it. */
function* segmentsOfJpeg(bytes) {
  const view = viewOfBytes(bytes);
  let place = 2;
  while (place + 4 <= bytes.length && bytes[place] === 0xff) {
    const marker = bytes[place + 1];
    if (marker === 0xff) {
      place += 1; // padding
      continue;
    }
    if (marker === 0xda) return; // the pixels begin
    const end = place + 2 + view.getUint16(place + 2);
    yield { marker, start: place + 4, end };
    place = end;
  }
}

/** The EXIF block of a JPEG: all of its segments, one after the other. */
function exifOfJpeg(bytes) {
  const parts = [];
  for (const { marker, start, end } of segmentsOfJpeg(bytes)) {
    if (marker === 0xe1 && ascii(bytes, start, start + 6) === 'Exif\0\0') parts.push(bytes.subarray(start + 6, end));
  }
  return parts.length === 0 ? null : joined(parts);
}

/** Some lists of bytes as one. */
export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

function notesOfPng(bytes) {
  const view = viewOfBytes(bytes);
  let [frames, exif, begun, deep] = [1, null, false, false];
  for (let place = 8; place + 12 <= bytes.length; place += 12 + view.getUint32(place)) {
    const kind = ascii(bytes, place + 4, place + 8);
    const start = place + 8;
    if (kind === 'IHDR') deep = bytes[start + 8] === 16 && bytes[start + 9] === 0; // with colours 8 bits are read
    else if (kind === 'acTL' && !begun && frames === 1) frames = view.getUint32(start) || 1;
    else if (kind === 'fcTL') begun = true;
    else if (kind === 'IDAT' && !begun) {
      begun = true;
      if (frames > 1) frames += 1; // a picture of its own before the frames
    } else if (kind === 'eXIf') exif = bytes.subarray(start, start + view.getUint32(place));
  }
  return notesOf(frames, deep, exif);
}

function framesOfGif(bytes) {
  const table = (flags) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const afterBlocks = (start) => {
    let at = start;
    while (at < bytes.length && bytes[at] !== 0) at += bytes[at] + 1;
    return at + 1;
  };
  let frames = 0;
  let place = 13 + table(bytes[10]);
  while (place < bytes.length) {
    if (bytes[place] === 0x21) place = afterBlocks(place + 2);
    else if (bytes[place] === 0x2c) {
      frames += 1;
      place = afterBlocks(place + 11 + table(bytes[place + 9]));
    } else break;
  }
  return frames;
}

function notesOfWebp(bytes) {
  const view = viewOfBytes(bytes);
  let [frames, exif] = [0, null];
  for (let place = 12; place + 8 <= bytes.length; ) {
    const kind = ascii(bytes, place, place + 4);
    const length = view.getUint32(place + 4, true);
    if (kind === 'ANMF') frames += 1;
    if (kind === 'EXIF') exif = bytes.subarray(place + 8, place + 8 + length);
    place += 8 + length + (length % 2);
  }
  return notesOf(frames, false, exif);
}

/** What Pillow makes of an EXIF block: its orientation, and that it is damaged. */
function readExif(block) {
  const bytes = ascii(block, 0, 6) === 'Exif\0\0' ? block.subarray(6) : block;
  const order = ascii(bytes, 0, 4);
  const little = order === 'II*\0';
  if (bytes.length < 8 || !(little || order === 'MM\0*')) return { exif: [DAMAGED], orientation: 1 };
  const view = viewOfBytes(bytes);
  const notes = new Set();
  let orientation = 1;
  let total = 0;
  let place = view.getUint32(4, little);
  const holds = (size) => place + size <= bytes.length;
  let left = holds(2) ? view.getUint16(place, little) : -1;
  if (left < 0) notes.add(DAMAGED);
  place += 2;
  for (; left > 0; left -= 1, place += 12) {
    if (!holds(12)) {
      notes.add(DAMAGED);
      break;
    }
    const [tag, type] = [view.getUint16(place, little), view.getUint16(place + 2, little)];
    const count = view.getUint32(place + 4, little);
    const size = count * (UNIT_BYTES[type] ?? 0);
    if (size > 4) {
      total += size;
      if (total > bytes.length) notes.add(DAMAGED);
      else if (view.getUint32(place + 8, little) + size > bytes.length) {
        notes.add('the file is unusual: Truncated File Read');
        break;
      }
    } else if (tag === ORIENTATION && count === 1) {
      if (SHORT_TYPES.includes(type)) orientation = view.getUint16(place + 8, little);
      if (LONG_TYPES.includes(type)) orientation = view.getUint32(place + 8, little);
    }
  }
  if (left === 0 && !holds(4)) notes.add(DAMAGED);
  if (orientation < 1 || orientation > 8) orientation = 1;
  if (orientation > 1) notes.add(`EXIF rotation ${orientation} applied`);
  return { exif: [...notes], orientation };
}
