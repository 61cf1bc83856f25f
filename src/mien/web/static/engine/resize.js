// Resizing and cutting of pixels with the arithmetic of OpenCV's resize and warpAffine, which the command line uses.
// A picture is {data, width, height}: data is RGBA, 8 bits, opaque, as a canvas gives it.

import { roundHalfEven } from './numbers.js';

const { fround } = Math;
const OPAQUE = 0xff000000;

/**
 * A picture at another width and height: made smaller by averaging areas, larger by linear interpolation.
 *
 * @returns {{data: Uint8ClampedArray, width: number, height: number}}
 */
export function resized(picture, width, height) {
  if (width === picture.width && height === picture.height) return picture;
  const data = new Uint8ClampedArray(4 * width * height);
  if (width <= picture.width && height <= picture.height) shrink(picture, width, height, data);
  else enlarge(picture, width, height, data);
  return { data, width, height };
}

/**
 * The blue, green and red planes of a picture that is turned clockwise by 0, 90, 180 or 270 degrees: what the face
 * detector takes. Beyond the picture, to the right and below, the planes are black.
 *
 * @returns {Float32Array} 3 * planeHeight * planeWidth numbers, 0 to 255.
 */
export function toPlanes({ data, width, height }, turned, planeWidth, planeHeight) {
  // Where the turned picture's first pixel lies in the picture, and how far away its neighbours to the right and below.
  const [start, right, below] = {
    0: [0, 1, width],
    90: [(height - 1) * width, -width, 1],
    180: [width * height - 1, -1, -width],
    270: [width - 1, width, -1],
  }[turned];
  const [columns, rows] = turned % 180 === 0 ? [width, height] : [height, width];
  const plane = planeWidth * planeHeight;
  const planes = new Float32Array(3 * plane);
  for (let y = 0; y < rows; y += 1) {
    let from = (start + y * below) * 4;
    let to = y * planeWidth;
    for (let x = 0; x < columns; x += 1, from += right * 4, to += 1) {
      planes[to] = data[from + 2];
      planes[plane + to] = data[from + 1];
      planes[2 * plane + to] = data[from];
    }
  }
  return planes;
}

/** Area averaging: each pixel is the mean of what it covers. Whole blocks are summed exactly, as OpenCV does it. */
function shrink(picture, width, height, result) {
  if (picture.width % width === 0 && picture.height % height === 0) {
    shrinkBlocks(picture, width, height, result);
    return;
  }
  const pixels = wordsOf(picture.data);
  const words = wordsOf(result);
  const columns = coverage(picture.width, width);
  const rows = coverage(picture.height, height);
  const sums = new Float32Array(3 * width);
  for (let y = 0, begun = -1; y < height; y += 1) {
    const last = rows.last[y];
    for (let row = rows.first[y]; row < last; row += 1) {
      const part = row === rows.first[y] ? 3 * y : 3 * y + 1;
      if (row !== begun) addRow(pixels, row * picture.width, columns, sums, rows.weights[part], null, 0);
    }
    // One row of the picture may be part of two rows.
    const ofNext = rows.first[y + 1] === last ? rows.weights[3 * y + 3] : 0;
    const line = words.subarray(y * width, (y + 1) * width);
    addRow(pixels, last * picture.width, columns, sums, rows.weights[3 * y + 2], line, ofNext);
    begun = last;
  }
}

/** Four channels at a time. */
function wordsOf(data) {
  return new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
}

function shrinkBlocks(picture, width, height, result) {
  const { data } = picture;
  const across = picture.width / width;
  const down = picture.height / height;
  const mean = meanOf(across, down);
  for (let y = 0, to = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, to += 4) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let row = y * down; row < (y + 1) * down; row += 1) {
        let from = (row * picture.width + x * across) * 4;
        for (let left = across; left > 0; left -= 1, from += 4) {
          red += data[from];
          green += data[from + 1];
          blue += data[from + 2];
        }
      }
      result[to] = mean(red);
      result[to + 1] = mean(green);
      result[to + 2] = mean(blue);
      result[to + 3] = 255;
    }
  }
}

/** From the sum of a block to its mean, rounded as OpenCV rounds it. */
function meanOf(across, down) {
  if (across === 2 && down === 2) return (sum) => (sum + 2) >> 2;
  const share = Math.fround(1 / (across * down));
  return (sum) => roundHalfEven(Math.fround(sum * share));
}

/**
 * Average a row of a picture in `columns`, and add so much of it to the sums of a row of the result.
 *
 * @param {Uint32Array | null} line the row of the result, where it is complete by this; the sums then begin anew, with
 *   `ofNext` of the averages.
 */
function addRow(pixels, rowStart, { first, last, weights }, sums, weight, line, ofNext) {
  for (let x = 0, at = 0; at < sums.length; x += 1, at += 3) {
    const end = rowStart + last[x];
    let place = rowStart + first[x];
    const one = pixels[place];
    const other = pixels[end];
    let redAndBlue = 0; // in 16 bits each, which 257 pixels fill
    let allGreen = 0;
    for (place += 1; place < end; place += 1) {
      redAndBlue += pixels[place] & 0x00ff00ff;
      allGreen += (pixels[place] >>> 8) & 255;
    }
    const ofFirst = weights[at];
    const ofWhole = weights[at + 1];
    const ofLast = weights[at + 2];
    const red = fround((one & 255) * ofFirst + (redAndBlue & 0xffff) * ofWhole + (other & 255) * ofLast);
    const green = fround(((one >>> 8) & 255) * ofFirst + allGreen * ofWhole + ((other >>> 8) & 255) * ofLast);
    const blue = fround(((one >>> 16) & 255) * ofFirst + (redAndBlue >>> 16) * ofWhole + ((other >>> 16) & 255) * ofLast);
    const redSum = fround(sums[at] + red * weight);
    const greenSum = fround(sums[at + 1] + green * weight);
    const blueSum = fround(sums[at + 2] + blue * weight);
    if (line === null) {
      sums[at] = redSum;
      sums[at + 1] = greenSum;
      sums[at + 2] = blueSum;
    } else {
      line[x] = roundHalfEven(redSum) | (roundHalfEven(greenSum) << 8) | (roundHalfEven(blueSum) << 16) | OPAQUE;
      sums[at] = red * ofNext;
      sums[at + 1] = green * ofNext;
      sums[at + 2] = blue * ofNext;
    }
  }
}

/**
 * Which source pixels each of `size` pixels covers: the first and the last, and as weights which part of it the first
 * is, each one between, and the last. Of a single one only the last weight counts.
 */
function coverage(sourceSize, size) {
  const scale = sourceSize / size;
  const first = new Int32Array(size);
  const last = new Int32Array(size);
  const weights = new Float32Array(3 * size);
  for (let place = 0; place < size; place += 1) {
    const from = place * scale;
    const to = Math.min(from + scale, sourceSize);
    const whole = to - from;
    const end = Math.min(Math.floor(to), sourceSize - 1);
    const start = Math.min(Math.ceil(from), end);
    const before = start - from > 1e-3 ? start - from : 0;
    const after = to - end > 1e-3 ? Math.min(to - end, 1, whole) : 0;
    first[place] = before > 0 ? start - 1 : start;
    last[place] = after > 0 ? end : end - 1;
    const single = first[place] === last[place];
    const parts = single ? [0, 0, before || after || 1] : [before || 1, 1, after || 1];
    weights.set(parts.map((part) => part / whole), 3 * place);
  }
  return { first, last, weights };
}

/** Linear interpolation, with weights of 11 bits. */
function enlarge(picture, width, height, result) {
  const columns = neighbours(picture.width, width);
  const rows = neighbours(picture.height, height);
  const { data } = picture;
  for (let y = 0; y < height; y += 1) {
    const above = rows.first[y] * picture.width;
    const below = rows.second[y] * picture.width;
    for (let x = 0; x < width; x += 1) {
      const left = columns.first[x];
      const right = columns.second[x];
      for (let channel = 0; channel < 3; channel += 1) {
        const upper =
          data[(above + left) * 4 + channel] * columns.weight[x] +
          data[(above + right) * 4 + channel] * columns.other[x];
        const lower =
          data[(below + left) * 4 + channel] * columns.weight[x] +
          data[(below + right) * 4 + channel] * columns.other[x];
        const value =
          (((rows.weight[y] * (upper >> 4)) >> 16) + ((rows.other[y] * (lower >> 4)) >> 16) + 2) >> 2;
        result[(y * width + x) * 4 + channel] = value;
      }
      result[(y * width + x) * 4 + 3] = 255;
    }
  }
}

function neighbours(sourceSize, size) {
  const first = new Int32Array(size);
  const second = new Int32Array(size);
  const weight = new Int32Array(size); // of the first, in 1/2048
  const other = new Int32Array(size); // of the second
  for (let place = 0; place < size; place += 1) {
    const at = Math.fround((place + 0.5) * (sourceSize / size) - 0.5);
    const whole = Math.floor(at);
    const inside = whole >= 0 && whole < sourceSize - 1;
    first[place] = Math.min(sourceSize - 1, Math.max(0, whole));
    second[place] = inside ? whole + 1 : first[place];
    const part = inside ? Math.fround(at - whole) : 0;
    weight[place] = roundHalfEven(Math.fround(1 - part) * 2048);
    other[place] = roundHalfEven(part * 2048);
  }
  return { first, second, weight, other };
}

/**
 * Sample a picture along an affine map, gray or in colour; beyond the picture its edge pixels go on. Positions are held
 * in steps of 1/32 pixel, as OpenCV holds them.
 *
 * @param {number[]} map six numbers (a, b, c, d, e, f): pixel (x, y) of the result is seen at (a x + b y + c,
 *   d x + e y + f) of the picture.
 * @param {number} channels of the result: 1 for gray, 3 for red, green and blue.
 * @returns {Uint8Array} size * size * channels values.
 */
export function warp(picture, map, size, channels) {
  const sampled = new Uint8Array(size * size * channels);
  const { data, width, height } = picture;
  const [a, b, c, d, e, f] = map;
  const right = width - 1;
  const bottom = height - 1;
  for (let y = 0; y < size; y += 1) {
    const startX = roundHalfEven((b * y + c) * 1024) + 16;
    const startY = roundHalfEven((e * y + f) * 1024) + 16;
    for (let x = 0; x < size; x += 1) {
      const atX = Math.floor((startX + roundHalfEven(a * x * 1024)) / 32);
      const atY = Math.floor((startY + roundHalfEven(d * x * 1024)) / 32);
      const wholeX = atX >> 5;
      const wholeY = atY >> 5;
      const partX = atX & 31;
      const partY = atY & 31;
      const x0 = wholeX < 0 ? 0 : wholeX > right ? right : wholeX;
      const x1 = wholeX < -1 ? 0 : wholeX >= right ? right : wholeX + 1;
      const y0 = (wholeY < 0 ? 0 : wholeY > bottom ? bottom : wholeY) * width;
      const y1 = (wholeY < -1 ? 0 : wholeY >= bottom ? bottom : wholeY + 1) * width;
      const weights = [(32 - partX) * (32 - partY), partX * (32 - partY), (32 - partX) * partY, partX * partY];
      const corners = [(y0 + x0) * 4, (y0 + x1) * 4, (y1 + x0) * 4, (y1 + x1) * 4];
      let luma = 16384;
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 512;
        for (let corner = 0; corner < 4; corner += 1) sum += weights[corner] * data[corners[corner] + channel];
        if (channels === 3) sampled[(y * size + x) * 3 + channel] = sum >> 10;
        else luma += (sum >> 10) * LUMA[channel];
      }
      if (channels === 1) sampled[y * size + x] = luma >> 15;
    }
  }
  return sampled;
}

const LUMA = [9798, 19235, 3735]; // 0.299, 0.587 and 0.114 of 32768 (ITU-R BT.601)

/**
 * A picture at half its sides, or as it is: halved as long as both are even and at least `least` pixels are left. What is
 * made smaller from it by averaging is the same but for rounding, in a quarter of the time.
 */
export function halvedTo(picture, least) {
  let { data, width, height } = picture;
  while (width % 2 === 0 && height % 2 === 0 && (width * height) / 4 >= least) {
    const half = new Uint8ClampedArray(width * height);
    let to = 0;
    for (let y = 0; y < height; y += 2) {
      let above = y * width * 4;
      let below = above + width * 4;
      for (let x = 0; x < width; x += 2, above += 8, below += 8, to += 4) {
        half[to] = (data[above] + data[above + 4] + data[below] + data[below + 4] + 2) >> 2;
        half[to + 1] = (data[above + 1] + data[above + 5] + data[below + 1] + data[below + 5] + 2) >> 2;
        half[to + 2] = (data[above + 2] + data[above + 6] + data[below + 2] + data[below + 6] + 2) >> 2;
        half[to + 3] = 255;
      }
    }
    data = half;
    width /= 2;
    height /= 2;
  }
  return { data, width, height };
}

/** Average blocks of `factor` by `factor` pixels of a gray square. */
export function averageBlocks(values, size, factor, channels) {
  if (factor === 1) return values;
  const side = size / factor;
  const averaged = new Uint8Array(side * side * channels);
  const mean = meanOf(factor, factor);
  const inRow = side * channels;
  for (let y = 0; y < side; y += 1) {
    for (let place = 0; place < inRow; place += 1) {
      const channel = place % channels;
      const left = ((place - channel) / channels) * factor;
      let sum = 0;
      for (let row = y * factor; row < (y + 1) * factor; row += 1) {
        for (let column = left; column < left + factor; column += 1) sum += values[(row * size + column) * channels + channel];
      }
      averaged[y * inRow + place] = mean(sum);
    }
  }
  return averaged;
}
