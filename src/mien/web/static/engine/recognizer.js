// From a photo to a result: read, find faces, cut them out, classify. src/mien/inference/recognizer.py.

import { Classifier } from './classifier.js';
import { channelsOf, cropFace, cropSide, cropToPhoto } from './crops.js';
import { DECODED_PIXELS, LANDMARK_NAMES, Search, anySize } from './detector.js';
import { ImageError } from './errors.js';
import { explain } from './explanation.js';
import { distanceOf } from './likeness.js';
import { Network } from './network.js';
import { readPhoto } from './pixels.js';
import { SCHEMA, leading, mostProbable } from './results.js';

const MINIMUM_FACE_PX = 24;
const LEAST_OF_TWO = 0.75;
const LEAST_OF_EACH = 0.25;
const NO_COLOURS = 'gray, and the model learned from colours';

export class Recognizer {
  constructor(bundle, detector, classifier) {
    this.bundle = bundle;
    this.detector = detector;
    this.classifier = classifier;
    this.threshold = bundle.unsure?.threshold ?? 0;
  }

  /**
   * Start both networks.
   *
   * @param {object} worker asked for what networks.js can do.
   * @param {object} bundle what `openBundle` gave.
   * @param {Uint8Array} yunet the face detector's file.
   */
  static async start(worker, bundle, yunet) {
    const detector = await Network.load(worker, anySize(yunet));
    const classifier = new Classifier(await Network.load(worker, bundle.onnx), bundle);
    return new Recognizer(bundle, detector, classifier);
  }

  /**
   * The result of a photo, in the form of `mien predict --json`.
   *
   * @param {Blob} file
   * @param {string} name
   * @param {(copy: object) => void} show given a copy of the photo for people to look at, unless it is unreadable.
   * @returns {Promise<object>}
   */
  async recognize(file, name, show = () => {}) {
    try {
      const picture = await readPhoto(file, name, DECODED_PIXELS);
      const search = new Search(this.detector, picture);
      const result = this.recognizePixels(file, picture, search, name);
      show(search.smallCopy); // while the network looks
      return await result;
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      return this.result(name, 'unreadable', error.message, [], null);
    }
  }

  async recognizePixels(file, picture, search, name) {
    if (Math.min(picture.photoWidth, picture.photoHeight) < MINIMUM_FACE_PX) {
      const reason =
        `The photo has ${picture.photoWidth} x ${picture.photoHeight} pixels, ` +
        `and a face needs ${MINIMUM_FACE_PX} a side.`;
      return this.result(name, 'too_small', reason, [], picture);
    }
    const { faces, turned, certain } = await search.anyWayUp();
    if (turned !== 0) picture.notes.push(`turned by ${turned}°, so that its faces are upright`);
    if (this.bundle.cropRule.channels === 'rgb' && isGray(picture)) picture.notes.push(NO_COLOURS);
    const asked = faces.filter(isLargeEnough);
    const crops = await this.crops(file, picture, asked, name);
    const rows = await this.classifier.predict(crops);
    const results = faces.map((face) => {
      const number = asked.indexOf(face);
      return this.faceResult(face, rows[number], this.distance(crops[number]), certain);
    });
    return this.result(name, ...this.outcomeOf(results, certain), results, picture);
  }

  /** Cut faces out; where the photo was read at a part of its size, too small for one, at its full size. */
  async crops(file, picture, faces, name) {
    const rule = this.bundle.cropRule;
    const tooSmall = faces.some((face) => cropSide(face, rule) < rule.size * picture.reduction);
    const source = picture.reduction > picture.finest && tooSmall ? await readPhoto(file, name) : picture;
    return faces.map((face) => cropFace(source, face, rule));
  }

  outcomeOf(faces, certain) {
    if (faces.length === 0) return ['no_face', 'No face was found.'];
    if (faces.every((face) => face.outcome === 'too_small')) {
      const largest = Math.max(...faces.map((face) => Math.min(face.box.width, face.box.height)));
      return ['too_small', `The largest face is ${largest.toFixed(0)} pixels wide, and ${MINIMUM_FACE_PX} are needed.`];
    }
    if (faces.some((face) => face.outcome === 'ok')) return ['ok', ''];
    if (!certain) return ['unsure', 'It cannot be told which way up the photo is: turn it upright.'];
    const reason = `No label reaches the least probability, ${Number(this.threshold.toPrecision(3))}`;
    if (faces.some((face) => face.outcome === 'mixed')) return ['mixed', `${reason}; two together have at least ${LEAST_OF_TWO}.`];
    return ['unsure', `${reason}.`];
  }

  /** How far a crop is from the faces that the model learned from; null for none, or where the bundle does not say. */
  distance(crop) {
    const { likeness, cropRule } = this.bundle;
    return crop && likeness ? distanceOf(likeness, crop, cropRule.size, channelsOf(cropRule)) : null;
  }

  faceResult(face, row, distance, certain) {
    const probabilities = row === undefined ? {} : Object.fromEntries(this.bundle.labels.map((label, n) => [label, row[n]]));
    const best = mostProbable({ probabilities });
    const two = leading(probabilities);
    const outcome = best === null ? 'too_small' : certain ? labelled(two, this.bundle.labels.length, this.threshold) : 'unsure';
    return {
      id: face.id,
      outcome,
      label: outcome === 'ok' ? best[0] : null,
      probability: best === null ? null : best[1],
      mixture: outcome === 'mixed' ? Object.fromEntries(two) : {},
      probabilities,
      box: face.box,
      landmarks: Object.fromEntries(LANDMARK_NAMES.map((landmark, number) => [landmark, face.landmarks[number]])),
      score: face.score,
      distance,
    };
  }

  result(photo, outcome, reason, faces, picture) {
    return {
      schema: SCHEMA,
      photo,
      outcome,
      reason,
      width: picture?.photoWidth ?? 0,
      height: picture?.photoHeight ?? 0,
      faces: ranked(faces),
      notes: picture?.notes ?? [],
      model: this.bundle.identity,
    };
  }

  /**
   * Explain a face's label.
   *
   * @param {object} picture the photo's pixels.
   * @param {object} face a face of the result.
   * @returns {Promise<{label: string, method: string, size: number, heat: Float64Array, map: number[]}>} map: where the
   *   heat's pixels lie in the photo.
   */
  async explain(picture, face, label) {
    const rule = this.bundle.cropRule;
    const found = { box: face.box, landmarks: LANDMARK_NAMES.map((name) => face.landmarks[name]) };
    const { method, heat } = await explain(this.classifier, cropFace(picture, found, rule), label);
    return { label, method, size: rule.size, heat, map: cropToPhoto(found, rule) };
  }
}

/** Whether a face has a label, two, or none. Of two labels in all, both would say nothing. */
export function labelled([[, first], [, second]], count, threshold) {
  if (first >= threshold) return 'ok';
  return count > 2 && second >= LEAST_OF_EACH && first + second >= LEAST_OF_TWO ? 'mixed' : 'unsure';
}

/** Whether no pixel has a colour. */
function isGray({ data }) {
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) return false;
  }
  return true;
}

function isLargeEnough(face) {
  return Math.min(face.box.width, face.box.height) >= MINIMUM_FACE_PX;
}

/** Each face with its place by area: 1 for the largest, equal ones share a place. */
function ranked(faces) {
  const larger = (face) => faces.filter((other) => area(other.box) > area(face.box)).length;
  return faces.map((face) => ({ ...face, area_rank: larger(face) + 1 }));
}

function area(box) {
  return box.width * box.height;
}
