// A model bundle, as docs/bundle-format.md describes it.

import { readArrays, readZip } from './archive.js';
import { MienError } from './errors.js';
import { sha256 } from './hash.js';

// 1 had no framing, and no list of the images that the model has seen; 2 no crops in colour; 3 no likeness
const SCHEMA = 4;

/**
 * Open a bundle's single file and check its schema and the hash of every file.
 *
 * @param {Uint8Array} bytes the .mien file.
 * @returns {Promise<object>} name, identity, labels, cropRule, temperature, unsure, onnx, card, golden (crops,
 *   probabilities, count), camWeights (channels by labels, or null) and likeness (mean and axes, or null).
 */
export async function openBundle(bytes) {
  const files = await readZip(bytes, 'The model bundle');
  const headBytes = files.get('bundle.json');
  if (!headBytes) throw new MienError('The model bundle has no bundle.json.');
  const head = JSON.parse(new TextDecoder().decode(headBytes));
  if (!(head.schema >= 1 && head.schema <= SCHEMA)) {
    throw new MienError(`The model bundle has schema ${head.schema}, and this page reads up to ${SCHEMA}.`);
  }
  for (const [file, expected] of Object.entries(head.files)) {
    const content = files.get(file);
    if (!content) throw new MienError(`The model bundle is incomplete: ${file} is missing.`);
    if (sha256(content) !== expected) {
      throw new MienError(`The model bundle is damaged: ${file} is not the file it was made with (its hash differs).`);
    }
  }
  if (head.schema > 1 && head.crop_rule.framing === null) {
    throw new MienError(`The model ${head.name} does not say which square of a photo it wants to see (its framing).`);
  }
  const golden = await readArrays(files.get('golden.npz'), 'golden.npz');
  const cam = files.has('cam.npz') ? await readArrays(files.get('cam.npz'), 'cam.npz') : null;
  const likeness = files.has('likeness.npz') ? await readArrays(files.get('likeness.npz'), 'likeness.npz') : null;
  return {
    name: head.name,
    identity: `${head.name}@${sha256(headBytes).slice(0, 12)}`,
    labels: head.labels,
    cropRule: head.crop_rule,
    temperature: head.temperature,
    unsure: head.unsure,
    onnx: files.get('model.onnx'),
    card: JSON.parse(new TextDecoder().decode(files.get('card.json'))),
    golden: {
      count: golden.crops.shape[0],
      crops: golden.crops.data,
      probabilities: golden.probabilities.data,
    },
    camWeights: cam?.weights.data ?? null,
    likeness: likeness && { mean: likeness.mean.data, axes: likeness.axes.data },
  };
}
