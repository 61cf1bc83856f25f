// How far a face is from those that the model learned from: src/mien/likeness.py.

const BANDS = 16;
const CELLS = 4;
const HIGHEST = 1.4;
const cosines = new Map(); // by size: all crops of a model have one

/**
 * The distance of a crop; 1 where 99 % of such faces are nearer.
 *
 * @param {{mean: Float64Array, axes: Float64Array}} likeness of the bundle.
 * @param {Uint8Array} crop size * size * channels values.
 * @param {number} size
 * @param {number} channels 1 for gray, 3 for red, green and blue.
 */
export function distanceOf({ mean, axes }, crop, size, channels) {
  const found = measures(channels === 1 ? crop : grayOf(crop), size);
  let square = 0;
  for (let axis = 0; axis < mean.length; axis += 1) {
    let along = 0;
    for (let number = 0; number < mean.length; number += 1) along += (found[number] - mean[number]) * axes[number * mean.length + axis];
    square += along * along;
  }
  return Math.sqrt(square);
}

function measures(gray, size) {
  return [...bandPowers(gray, size), ...cellSpreads(gray, size)].map(Math.log1p);
}

/** The mean power of the orthonormal cosine transform in each band of frequency, the mean gray value left out. */
function bandPowers(gray, size) {
  if (!cosines.has(size)) cosines.set(size, cosinesOf(size));
  // Along the rows, then along the columns; `turned` holds the columns as rows.
  const turned = transformed(gray, cosines.get(size), size);
  const frequencies = transformed(turned, cosines.get(size), size);
  const sums = new Float64Array(BANDS);
  const counts = new Float64Array(BANDS);
  for (let at = 1; at < frequencies.length; at += 1) {
    const radius = Math.hypot(Math.floor(at / size), at % size);
    const band = Math.floor(Math.min((radius * BANDS) / (HIGHEST * size), BANDS - 1));
    sums[band] += frequencies[at] ** 2;
    counts[band] += 1;
  }
  return sums.map((sum, band) => sum / Math.max(counts[band], 1));
}

/** A row for each frequency. */
function cosinesOf(size) {
  return Float64Array.from({ length: size * size }, (_, at) => {
    const frequency = Math.floor(at / size);
    return Math.cos((Math.PI * frequency * (2 * (at % size) + 1)) / (2 * size)) * Math.sqrt((frequency === 0 ? 1 : 2) / size);
  });
}

/** The cosine transform of each row, as a column of the result. */
function transformed(rows, waves, size) {
  const result = new Float64Array(size * size);
  for (let row = 0; row < size; row += 1) {
    for (let frequency = 0; frequency < size; frequency += 1) {
      let sum = 0;
      for (let at = 0; at < size; at += 1) sum += rows[row * size + at] * waves[frequency * size + at];
      result[frequency * size + row] = sum;
    }
  }
  return result;
}

function cellSpreads(gray, size) {
  const ends = Array.from({ length: CELLS + 1 }, (_, cell) => Math.floor((size * cell) / CELLS));
  const spreads = [];
  for (let row = 0; row < CELLS; row += 1) {
    for (let column = 0; column < CELLS; column += 1) {
      spreads.push(spread(gray, size, ends[row], ends[row + 1], ends[column], ends[column + 1]));
    }
  }
  return spreads;
}

function spread(gray, size, top, bottom, left, right) {
  let [sum, squares] = [0, 0];
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      sum += gray[y * size + x];
      squares += gray[y * size + x] ** 2;
    }
  }
  const count = (bottom - top) * (right - left);
  return Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
}

/** Luma as OpenCV rounds it, in whole numbers. */
function grayOf(crop) {
  return Uint8Array.from({ length: crop.length / 3 }, (_, at) => {
    return (4899 * crop[3 * at] + 9617 * crop[3 * at + 1] + 1868 * crop[3 * at + 2] + 8192) >> 14;
  });
}
