// Which parts of a face speak for a label: src/mien/inference/explanation.py.

import { channelsOf } from './crops.js';
import { roundHalfEven } from './numbers.js';

const PATCHES_A_SIDE = 6;
const STEPS_A_PATCH = 2;

/**
 * A map over a crop: positive where a place speaks for the label, negative where it speaks against it.
 *
 * @returns {Promise<{method: string, heat: Float64Array}>} size * size numbers.
 */
export async function explain(classifier, crop, label) {
  const index = classifier.bundle.labels.indexOf(label);
  return classifier.hasFeatures
    ? { method: 'cam', heat: await activationMap(classifier, crop, index) }
    : { method: 'occlusion', heat: await occlusionMap(classifier, crop, index) };
}

/** Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016. */
async function activationMap(classifier, crop, index) {
  const { data, height, width, channels } = await classifier.features(crop);
  const weights = classifier.bundle.camWeights;
  const classes = classifier.bundle.labels.length;
  const coarse = new Float64Array(height * width);
  for (let place = 0; place < coarse.length; place += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      coarse[place] += data[place * channels + channel] * weights[channel * classes + index];
    }
  }
  return enlarged(coarse, width, height, classifier.bundle.cropRule.size);
}

/** Linear interpolation between the centres of the coarse map's fields; at its edge the outermost value goes on. */
function enlarged(coarse, width, height, size) {
  const heat = new Float64Array(size * size);
  const position = (place, cells) => Math.min(cells - 1, Math.max(0, ((place + 0.5) * cells) / size - 0.5));
  for (let y = 0; y < size; y += 1) {
    const atY = position(y, height);
    const above = Math.floor(atY);
    const below = Math.min(height - 1, above + 1);
    for (let x = 0; x < size; x += 1) {
      const atX = position(x, width);
      const left = Math.floor(atX);
      const right = Math.min(width - 1, left + 1);
      const upper = coarse[above * width + left] * (1 - (atX - left)) + coarse[above * width + right] * (atX - left);
      const lower = coarse[below * width + left] * (1 - (atX - left)) + coarse[below * width + right] * (atX - left);
      heat[y * size + x] = upper * (1 - (atY - above)) + lower * (atY - above);
    }
  }
  return heat;
}

/** Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014. */
async function occlusionMap(classifier, crop, index) {
  const { size } = classifier.bundle.cropRule;
  const channels = channelsOf(classifier.bundle.cropRule);
  const means = Array.from({ length: channels }, (_, channel) => meanOf(crop, channels, channel));
  const patches = patchesOf(size);
  const covered = patches.map((patch) => {
    const picture = crop.slice();
    forEachPixel(patch, size, (place) => {
      means.forEach((mean, channel) => {
        picture[place * channels + channel] = mean;
      });
    });
    return picture;
  });
  const [whole, ...rows] = await classifier.predict([crop, ...covered]);
  const heat = new Float64Array(size * size);
  const count = new Float64Array(size * size);
  patches.forEach((patch, number) => {
    forEachPixel(patch, size, (place) => {
      heat[place] += whole[index] - rows[number][index];
      count[place] += 1;
    });
  });
  return heat.map((sum, place) => sum / count[place]);
}

/** The mean of one channel of a crop, as a whole number. */
function meanOf(crop, channels, channel) {
  let sum = 0;
  for (let at = channel; at < crop.length; at += channels) sum += crop[at];
  return roundHalfEven((sum * channels) / crop.length);
}

function patchesOf(size) {
  const side = Math.max(1, Math.floor(size / PATCHES_A_SIDE));
  const step = Math.max(1, Math.floor(side / STEPS_A_PATCH));
  const spans = [];
  // Starting outside the crop, so that its border is covered as often as its middle.
  for (let start = step - side; start < size; start += step) {
    spans.push([Math.max(0, start), Math.min(size, start + side)]);
  }
  return spans.flatMap((rows) => spans.map((columns) => ({ rows, columns })));
}

function forEachPixel({ rows, columns }, size, act) {
  for (let y = rows[0]; y < rows[1]; y += 1) {
    for (let x = columns[0]; x < columns[1]; x += 1) act(y * size + x);
  }
}
