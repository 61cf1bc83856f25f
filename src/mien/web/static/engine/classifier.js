// A bundle's network, ready to answer: src/mien/inference/classifier.py.

import { channelsOf } from './crops.js';
import { MienError } from './errors.js';
import { softmax } from './numbers.js';

const GOLDEN_TOLERANCE = 1e-4;
const BATCH = 32;

export class Classifier {
  constructor(network, bundle) {
    this.network = network;
    this.bundle = bundle;
  }

  get hasFeatures() {
    return this.bundle.camWeights !== null && this.network.outputNames.includes('features');
  }

  /**
   * Probabilities of the labels.
   *
   * @param {Uint8Array[]} crops size * size * channels values each.
   * @returns {Promise<number[][]>} a list a crop, in the order of the labels.
   */
  async predict(crops) {
    const rows = [];
    for (let start = 0; start < crops.length; start += BATCH) {
      const logits = await this.run(crops.slice(start, start + BATCH), 'logits');
      const classes = this.bundle.labels.length;
      for (let at = 0; at < logits.data.length; at += classes) {
        rows.push(softmax(logits.data.subarray(at, at + classes), this.bundle.temperature));
      }
    }
    return rows;
  }

  /** The feature maps before the head's averaging: {data, height, width, channels}. */
  async features(crop) {
    const features = await this.run([crop], 'features');
    const [, height, width, channels] = features.dims;
    return { data: features.data, height, width, channels };
  }

  valuesOfCrop() {
    const rule = this.bundle.cropRule;
    return rule.size * rule.size * channelsOf(rule);
  }

  async run(crops, output) {
    const { size } = this.bundle.cropRule;
    const values = this.valuesOfCrop();
    const pixels = new Uint8Array(crops.length * values);
    crops.forEach((crop, number) => pixels.set(crop, number * values));
    const dims = [crops.length, size, size, channelsOf(this.bundle.cropRule)];
    return (await this.network.run({ faces: { type: 'uint8', data: pixels, dims } }, [output]))[output];
  }

  /**
   * Ask the crops of the bundle's golden example.
   *
   * @returns {Promise<{count: number, difference: number}>} how many, and by how much a probability differs at most.
   * @throws {MienError} when it differs by more than the command line allows, too.
   */
  async checkGolden() {
    const { count, crops, probabilities } = this.bundle.golden;
    const values = this.valuesOfCrop();
    const asked = Array.from({ length: count }, (_, n) => crops.subarray(n * values, (n + 1) * values));
    const answers = (await this.predict(asked)).flat();
    const differences = answers.map((answer, place) => Math.abs(answer - probabilities[place]));
    const difference = Math.max(...differences);
    if (answers.length !== probabilities.length || !(difference <= GOLDEN_TOLERANCE)) {
      throw new MienError(
        `The model does not answer in this browser as it did when it was made: its golden example differs by ` +
          `${difference.toPrecision(2)}, allowed is ${GOLDEN_TOLERANCE}. No photo is read with it.`,
      );
    }
    return { count, difference };
  }
}
