// A photo file to upright 8-bit pixels: src/mien/images.py. The browser decodes; what it must not do is left out:
// no colour management (the command line has none), no premultiplied transparency.

import { ImageError } from './errors.js';
import { headerNotes } from './headers.js';
import { roundHalfEven } from './numbers.js';
import { halvedTo } from './resize.js';

const MAX_PIXELS = 200e6;
const KEPT_PIXELS = 24e6;
const KEPT_SIDE = 32000;
const STRIP_PIXELS = 4e6; // phones allow no canvas above 16 million pixels
const LEAST_READABLE_PART = 0.5;
const END_OF_JPEG = new Uint8Array([0xff, 0xd9]);

/**
 * Decode a photo.
 *
 * @param {Blob} file
 * @param {string} name what it is called in an error.
 * @param {number} leastPixels a JPEG is read at a half, a quarter or an eighth of its sides when at least so many
 *   pixels are left.
 * @returns {Promise<{data: Uint8ClampedArray, width: number, height: number, reduction: number, finest: number,
 *   photoWidth: number, photoHeight: number, notes: string[]}>} RGBA, opaque; reduction: photo pixels per pixel along a
 *   side; finest: the least at which this photo can be read.
 * @throws {ImageError} it is empty, not a picture, damaged or too large.
 */
export async function readPhoto(file, name, leastPixels = Infinity) {
  if (file.size === 0) throw new ImageError(`${name} is empty (0 bytes).`);
  let cutOff = false;
  const jpeg = await isJpeg(file);
  let bitmap = await decoded(file);
  if (bitmap === null && jpeg) {
    // A JPEG that is cut off: ended properly, what is missing is filled with middle gray.
    bitmap = await decoded(new Blob([file, END_OF_JPEG]));
    cutOff = bitmap !== null;
  }
  if (bitmap === null) {
    throw new ImageError(`${name} is not a picture that this browser can read. Expected: JPEG, PNG, WebP, GIF or BMP.`);
  }
  try {
    const header = await headerNotes(file);
    const picture = pixelsOf(bitmap, name, jpeg, leastPixels);
    const { notes } = picture;
    notes.unshift(...header.first);
    if (cutOff) notes.push(missingRows(picture, name));
    notes.push(...header.exif);
    if (picture.finest > 1) notes.push(`kept at 1/${picture.finest} of its size`);
    return picture;
  } finally {
    bitmap.close();
  }
}

async function decoded(blob) {
  try {
    return await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  } catch {
    return null; // browsers give no reason
  }
}

async function isJpeg(file) {
  const head = new Uint8Array(await file.slice(0, 3).arrayBuffer());
  return head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff;
}

function pixelsOf(bitmap, name, jpeg, leastPixels) {
  const { width: photoWidth, height: photoHeight } = bitmap;
  if (photoWidth * photoHeight > MAX_PIXELS) {
    throw new ImageError(
      `${name} has ${photoWidth} x ${photoHeight} pixels, which is more than the limit of ${MAX_PIXELS / 1e6} megapixels.`,
    );
  }
  const finest = [1, 2, 4].find(
    (factor) =>
      photoWidth * photoHeight <= KEPT_PIXELS * factor ** 2 && Math.max(photoWidth, photoHeight) <= KEPT_SIDE * factor,
  ) ?? 8;
  const left = (factor) => Math.floor(photoWidth / factor) * Math.floor(photoHeight / factor);
  const reduction = Math.max(finest, (jpeg && [8, 4, 2].find((factor) => left(factor) >= leastPixels)) || 1);
  const width = Math.ceil(photoWidth / reduction);
  const height = Math.ceil(photoHeight / reduction);
  const data = new Uint8ClampedArray(width * height * 4);
  const rows = Math.max(1, Math.floor(STRIP_PIXELS / (photoWidth * reduction))) * reduction;
  const canvas = new OffscreenCanvas(photoWidth, Math.min(rows, photoHeight));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  let transparent = false;
  for (let top = 0; top < photoHeight; top += rows) {
    const count = Math.min(rows, photoHeight - top);
    context.clearRect(0, 0, photoWidth, count);
    context.drawImage(bitmap, 0, top, photoWidth, count, 0, 0, photoWidth, count);
    const strip = context.getImageData(0, 0, photoWidth, count).data;
    transparent = (!jpeg && layOnWhite(strip)) || transparent;
    const start = (top / reduction) * width * 4;
    if (reduction === 1) data.set(strip, start);
    else data.set(reduced(strip, photoWidth, count, reduction), start);
  }
  const notes = transparent ? ['transparent parts shown on white'] : [];
  return { data, width, height, reduction, finest, photoWidth, photoHeight, notes };
}

/** Lay pixels on white, in place; returns whether any was transparent. */
function layOnWhite(data) {
  let transparent = false;
  for (let at = 3; at < data.length; at += 4) {
    const opacity = data[at];
    if (opacity === 255) continue;
    transparent = true;
    for (let channel = at - 3; channel < at; channel += 1) {
      data[channel] = (data[channel] * opacity + 255 * (255 - opacity)) / 255;
    }
    data[at] = 255;
  }
  return transparent;
}

/** Average blocks of 2, 4 or 8 pixels a side; those at the right and lower edge may be smaller. */
function reduced(data, width, height, factor) {
  return width % factor === 0 && height % factor === 0
    ? reducedWhole(data, width, height, factor)
    : reducedRagged(data, width, height, factor);
}

/** Where all blocks are whole. */
function reducedWhole(data, width, height, factor) {
  const pixels = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const columns = width / factor;
  const result = new Uint32Array(columns * (height / factor));
  const shift = 2 * Math.log2(factor);
  const half = ((factor * factor) >> 1) * 0x00010001;
  for (let y = 0, to = 0; y < height; y += factor) {
    for (let left = y * width; left < y * width + width; left += factor, to += 1) {
      // Two channels at a time, each in 16 bits, which the sum of a block does not fill.
      let even = half;
      let odd = half;
      for (let row = left; row < left + factor * width; row += width) {
        for (let from = row; from < row + factor; from += 1) {
          const pixel = pixels[from];
          even += pixel & 0x00ff00ff;
          odd += (pixel >>> 8) & 0x00ff00ff;
        }
      }
      result[to] = ((even >>> shift) & 0x00ff00ff) | (((odd >>> shift) & 0x00ff00ff) << 8);
    }
  }
  return new Uint8ClampedArray(result.buffer);
}

function reducedRagged(data, width, height, factor) {
  const columns = Math.ceil(width / factor);
  const rows = Math.ceil(height / factor);
  const result = new Uint8ClampedArray(columns * rows * 4);
  const sums = new Uint32Array(columns * 3);
  for (let y = 0, to = 0; y < rows; y += 1) {
    sums.fill(0);
    const bottom = Math.min(height, (y + 1) * factor);
    for (let row = y * factor, from = row * width * 4; row < bottom; row += 1) {
      for (let x = 0, at = 0, left = width; x < columns; x += 1, at += 3, left -= factor) {
        let red = 0;
        let green = 0;
        let blue = 0;
        for (const end = from + Math.min(factor, left) * 4; from < end; from += 4) {
          red += data[from];
          green += data[from + 1];
          blue += data[from + 2];
        }
        sums[at] += red;
        sums[at + 1] += green;
        sums[at + 2] += blue;
      }
    }
    const full = (bottom - y * factor) * factor;
    const half = full >> 1;
    for (let x = 0, at = 0; x < columns; x += 1, at += 3, to += 4) {
      const part = x === columns - 1 ? (bottom - y * factor) * (width - x * factor) : full;
      const more = part === full ? half : part >> 1;
      result[to] = Math.trunc((sums[at] + more) / part);
      result[to + 1] = Math.trunc((sums[at + 1] + more) / part);
      result[to + 2] = Math.trunc((sums[at + 2] + more) / part);
      result[to + 3] = 255;
    }
  }
  return result;
}

function missingRows({ data, width, height }, name) {
  let last = height;
  const isGray = (row) => {
    for (let at = row * width * 4; at < (row + 1) * width * 4; at += 4) {
      if (data[at] !== 128 || data[at + 1] !== 128 || data[at + 2] !== 128) return false;
    }
    return true;
  };
  while (last > 0 && isGray(last - 1)) last -= 1;
  const part = last / height;
  if (part < LEAST_READABLE_PART) {
    throw new ImageError(`${name} is cut off: only ${roundHalfEven(part * 100)}% of its rows can be read.`);
  }
  const missing = roundHalfEven((1 - part) * 100);
  return `the file is cut off${part < 1 ? `; the last ${missing}% of its rows are missing` : ''}`;
}

/** A copy of a photo for looking at: its longest side at most `longest` pixels, enlarged to at least `least`. */
export async function viewOf(picture, longest, least = 0) {
  const side = Math.max(picture.width, picture.height);
  const factor = Math.min(longest, Math.max(least, side)) / side;
  const small = halvedTo(picture, longest ** 2);
  const image = new ImageData(small.data, small.width, small.height);
  return createImageBitmap(image, {
    resizeWidth: Math.max(1, Math.round(picture.width * factor)),
    resizeHeight: Math.max(1, Math.round(picture.height * factor)),
    resizeQuality: 'medium',
  });
}

/** Whether the browser gives pixels back as they are: some add noise to them, so that visitors cannot be told apart. */
export function givesPixelsUnchanged() {
  const side = 16;
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const drawn = context.createImageData(side, side);
  for (let at = 0; at < drawn.data.length; at += 1) drawn.data[at] = at % 4 === 3 ? 255 : (at * 37) % 256;
  context.putImageData(drawn, 0, 0);
  const read = context.getImageData(0, 0, side, side).data;
  return drawn.data.every((value, at) => value === read[at]);
}
