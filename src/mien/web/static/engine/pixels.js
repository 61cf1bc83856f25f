// A photo file to upright 8-bit pixels: src/mien/images.py. The browser decodes; what it must not do is left out:
// no colour management (the command line has none), no premultiplied transparency.

import { ImageError } from './errors.js';
import { bytesOf, headerNotes, isHeic, joined, jpegSize, kindOf } from './headers.js';
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
  const bytes = await bytesOf(file).catch(() => {
    throw new ImageError(`${name} cannot be read any more: it was moved, removed or changed.`);
  });
  const jpeg = kindOf(bytes) === 'jpeg';
  let source = await decoded(file, bytes, jpeg, leastPixels);
  if (source === null && jpeg) {
    // A JPEG that is cut off: ended properly, what is missing is filled with middle gray.
    source = await decoded(new Blob([file, END_OF_JPEG]), joined([bytes, END_OF_JPEG]), jpeg, leastPixels);
    cutOff = source !== null;
  }
  if (source === null && isHeic(bytes)) {
    throw new ImageError(`${name} is a HEIC picture, and this browser cannot read those. Safari can; or save it as JPEG.`);
  }
  if (source === null) {
    throw new ImageError(`${name} is not a picture that this browser can read. Expected: JPEG, PNG, WebP, GIF or BMP.`);
  }
  try {
    const header = headerNotes(bytes);
    const picture = pixelsOf(source, name, jpeg, leastPixels);
    const { notes } = picture;
    notes.unshift(...header.first);
    if (cutOff) notes.push(missingRows(picture, name, header.orientation));
    notes.push(...header.exif);
    if (picture.finest > 1) notes.push(`kept at 1/${picture.finest} of its size`);
    return picture;
  } finally {
    source.drawn.close();
  }
}

/**
 * What a file is drawn from.
 *
 * @returns {Promise<{drawn: CanvasImageSource, width: number, height: number, photoWidth: number, photoHeight: number,
 *   data?: Uint8ClampedArray | null} | null>} data: its pixels, where they were to be had without drawing; null: it cannot
 *   be decoded, and browsers give no reason.
 */
async function decoded(blob, bytes, jpeg, leastPixels) {
  const part = jpeg ? await decodedPart(bytes, leastPixels) : null;
  if (part !== null) return part;
  try {
    const drawn = await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
    const { width, height } = drawn;
    return { drawn, width, height, photoWidth: width, photoHeight: height };
  } catch {
    return null;
  }
}

/** A JPEG at a part of its size by the decoder itself, as the command line reads it; null where a browser cannot. */
async function decodedPart(bytes, leastPixels) {
  // Without its rotation a frame does not tell which of its sides is the photo's width.
  if (!('ImageDecoder' in globalThis && 'rotation' in VideoFrame.prototype)) return null;
  const sides = jpegSize(bytes);
  if (sides === null) return null;
  const [storedWidth, storedHeight] = sides;
  if (storedWidth * storedHeight > MAX_PIXELS) return null;
  const { reduction } = reductions(storedWidth, storedHeight, true, leastPixels);
  if (reduction === 1) return null;
  const [desiredWidth, desiredHeight] = sides.map((side) => Math.ceil(side / reduction));
  const decoder = new ImageDecoder({
    data: bytes,
    type: 'image/jpeg',
    colorSpaceConversion: 'none',
    desiredWidth,
    desiredHeight,
  });
  try {
    const { image: drawn } = await decoder.decode();
    const turned = drawn.rotation % 180 !== 0;
    const [width, height] = turned ? [desiredHeight, desiredWidth] : [desiredWidth, desiredHeight];
    const [photoWidth, photoHeight] = turned ? [storedHeight, storedWidth] : [storedWidth, storedHeight];
    if (drawn.displayWidth === width && drawn.displayHeight === height) {
      return { drawn, width, height, photoWidth, photoHeight, data: await copied(drawn, width * height * 4) };
    }
    drawn.close();
    return null;
  } catch {
    return null;
  } finally {
    decoder.close();
  }
}

/** The pixels of a frame that need not be turned, sooner than by drawing it; null where a browser gives none. */
async function copied(frame, bytes) {
  if (frame.rotation !== 0 || frame.flip) return null;
  const data = new Uint8ClampedArray(bytes);
  return frame.copyTo(data, { format: 'RGBA' }).then(
    () => data,
    () => null,
  );
}

/** At what part of its sides a photo is kept at most, and at what part it is read: [1, 2, 4 or 8]. */
function reductions(photoWidth, photoHeight, jpeg, leastPixels) {
  const finest = [1, 2, 4].find(
    (factor) =>
      photoWidth * photoHeight <= KEPT_PIXELS * factor ** 2 && Math.max(photoWidth, photoHeight) <= KEPT_SIDE * factor,
  ) ?? 8;
  const left = (factor) => Math.floor(photoWidth / factor) * Math.floor(photoHeight / factor);
  const reduction = Math.max(finest, (jpeg && [8, 4, 2].find((factor) => left(factor) >= leastPixels)) || 1);
  return { finest, reduction };
}

function pixelsOf(source, name, jpeg, leastPixels) {
  const { photoWidth, photoHeight } = source;
  if (photoWidth * photoHeight > MAX_PIXELS) {
    throw new ImageError(
      `${name} has ${photoWidth} x ${photoHeight} pixels, which is more than the limit of ${MAX_PIXELS / 1e6} megapixels.`,
    );
  }
  const { finest, reduction } = reductions(photoWidth, photoHeight, jpeg, leastPixels);
  const width = Math.ceil(photoWidth / reduction);
  const height = Math.ceil(photoHeight / reduction);
  const notes = [];
  const left = source.width === photoWidth ? reduction : 1; // what the decoder has not done of the reduction
  const data = source.data ?? drawnPixels(source, left, jpeg, notes);
  return { data, width, height, reduction, finest, photoWidth, photoHeight, notes };
}

/** The pixels of a source at a part of its sides, strip by strip: opaque. */
function drawnPixels(source, left, jpeg, notes) {
  const rows = Math.max(1, Math.floor(STRIP_PIXELS / (source.width * left))) * left;
  const canvas = new OffscreenCanvas(source.width, Math.min(rows, source.height));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  let data = null;
  let transparent = false;
  for (let top = 0; top < source.height; top += rows) {
    const count = Math.min(rows, source.height - top);
    context.clearRect(0, 0, source.width, count);
    context.drawImage(source.drawn, 0, top, source.width, count, 0, 0, source.width, count);
    const strip = context.getImageData(0, 0, source.width, count).data;
    transparent = (!jpeg && layOnWhite(strip)) || transparent;
    const part = left === 1 ? strip : reduced(strip, source.width, count, left);
    if (count === source.height) data = part;
    else {
      const width = Math.ceil(source.width / left);
      data ??= new Uint8ClampedArray(width * Math.ceil(source.height / left) * 4);
      data.set(part, (top / left) * width * 4);
    }
  }
  if (transparent) notes.push('transparent parts shown on white');
  return data;
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

/** What to note of a JPEG that is cut off: its last rows are middle gray, wherever its orientation has put them. */
function missingRows({ data, width, height }, name, orientation) {
  const [rows, along] = orientation < 5 ? [height, width] : [width, height];
  const [down, across] = orientation < 5 ? [width, 1] : [1, width];
  const fromEnd = [3, 4, 6, 7].includes(orientation);
  const isGray = (row) => {
    const start = (fromEnd ? rows - 1 - row : row) * down;
    for (let place = 0; place < along; place += 1) {
      const at = (start + place * across) * 4;
      if (data[at] !== 128 || data[at + 1] !== 128 || data[at + 2] !== 128) return false;
    }
    return true;
  };
  let last = rows;
  while (last > 0 && isGray(last - 1)) last -= 1;
  const part = last / rows;
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
  const resizeWidth = Math.max(1, Math.round(picture.width * factor));
  const resizeHeight = Math.max(1, Math.round(picture.height * factor));
  // Below a half, looking at the nearest pixels only would leave some of them out.
  const resizeQuality = 2 * resizeWidth < small.width ? 'medium' : 'low';
  return createImageBitmap(image, { resizeWidth, resizeHeight, resizeQuality });
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
