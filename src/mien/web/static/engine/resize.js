// Resizing and cutting of pixels with the arithmetic of OpenCV's resize and warpAffine, which the command line uses.
// A picture is {data, width, height}: data is RGBA, 8 bits, as a canvas gives it; the fourth channel is not looked at.

import { roundHalfEven } from './numbers.js';

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
 * @param {Float32Array} planes of 3 * planeHeight * planeWidth numbers, to be filled with 0 to 255.
 */
export function toPlanes({ data, width, height }, turned, planeWidth, planeHeight, planes) {
  // Where the turned picture's first pixel lies in the picture, and how far away its neighbours to the right and below.
  const [start, right, below] = {
    0: [0, 1, width],
    90: [(height - 1) * width, -width, 1],
    180: [width * height - 1, -1, -width],
    270: [width - 1, width, -1],
  }[turned];
  const [columns, rows] = turned % 180 === 0 ? [width, height] : [height, width];
  const plane = planeWidth * planeHeight;
  if (columns < planeWidth || rows < planeHeight) planes.fill(0);
  for (let y = 0; y < rows; y += 1) {
    let from = (start + y * below) * 4;
    let to = y * planeWidth;
    for (let x = 0; x < columns; x += 1, from += right * 4, to += 1) {
      planes[to] = data[from + 2];
      planes[plane + to] = data[from + 1];
      planes[2 * plane + to] = data[from];
    }
  }
}

/** Area averaging: each pixel is the mean of what it covers. Whole blocks are summed exactly, as OpenCV does it. */
function shrink(picture, width, height, result) {
  if (picture.width % width === 0 && picture.height % height === 0) {
    shrinkBlocks(picture, width, height, result);
    return;
  }
  const columns = coverage(picture.width, width);
  const rows = coverage(picture.height, height);
  const sums = new Float32Array(3 * width);
  const narrow = new Float32Array(3 * width);
  let narrowed = -1; // one row of the picture may be part of two rows
  for (let y = 0; y < height; y += 1) {
    sums.fill(0);
    for (let row = rows.starts[y]; row < rows.starts[y + 1]; row += 1) {
      if (rows.sources[row] !== narrowed) {
        narrowed = rows.sources[row];
        narrowRow(picture.data, narrowed * picture.width * 4, columns, narrow, width);
      }
      const weight = rows.weights[row];
      for (let at = 0; at < sums.length; at += 1) sums[at] += narrow[at] * weight;
    }
    for (let at = 0, to = y * width * 4; at < sums.length; at += 3, to += 4) {
      // A clamped array rounds what it is given, halves to the even number.
      result[to] = sums[at];
      result[to + 1] = sums[at + 1];
      result[to + 2] = sums[at + 2];
    }
  }
}

function shrinkBlocks(picture, width, height, result) {
  const across = picture.width / width;
  const down = picture.height / height;
  const mean = meanOf(across, down);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 0;
        for (let row = y * down; row < (y + 1) * down; row += 1) {
          let from = (row * picture.width + x * across) * 4 + channel;
          for (let left = across; left > 0; left -= 1, from += 4) sum += picture.data[from];
        }
        result[(y * width + x) * 4 + channel] = mean(sum);
      }
    }
  }
}

/** From the sum of a block to its mean, rounded as OpenCV rounds it. */
function meanOf(across, down) {
  if (across === 2 && down === 2) return (sum) => (sum + 2) >> 2;
  const share = Math.fround(1 / (across * down));
  return (sum) => roundHalfEven(Math.fround(sum * share));
}

/** A row of a picture at `width` pixels: red, green and blue of each, into `narrow`. */
function narrowRow(data, rowStart, columns, narrow, width) {
  const { starts, sources, weights } = columns;
  let end = 0;
  for (let x = 0, at = 0; x < width; x += 1, at += 3) {
    let red = 0;
    let green = 0;
    let blue = 0;
    let column = end;
    end = starts[x + 1];
    // The columns that a pixel covers lie side by side.
    for (let from = rowStart + sources[column] * 4; column < end; column += 1, from += 4) {
      const weight = weights[column];
      red += data[from] * weight;
      green += data[from + 1] * weight;
      blue += data[from + 2] * weight;
    }
    narrow[at] = red;
    narrow[at + 1] = green;
    narrow[at + 2] = blue;
  }
}

/** Which source pixels each of `size` pixels covers, and which part of it each of them is. */
function coverage(sourceSize, size) {
  const scale = sourceSize / size;
  const starts = new Int32Array(size + 1);
  const sources = [];
  const weights = [];
  for (let place = 0; place < size; place += 1) {
    const from = place * scale;
    const to = Math.min(from + scale, sourceSize);
    const whole = to - from;
    const last = Math.min(Math.floor(to), sourceSize - 1);
    const first = Math.min(Math.ceil(from), last);
    const add = (source, part) => {
      sources.push(source);
      weights.push(part / whole);
    };
    if (first - from > 1e-3) add(first - 1, first - from);
    for (let source = first; source < last; source += 1) add(source, 1);
    if (to - last > 1e-3) add(last, Math.min(to - last, 1, whole));
    starts[place + 1] = sources.length;
  }
  return { starts, sources: Int32Array.from(sources), weights: Float32Array.from(weights) };
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
