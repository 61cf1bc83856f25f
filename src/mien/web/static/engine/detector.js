// Faces in a photo: YuNet at several sizes, as src/mien/inference/detector.py searches.
// Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20 (2023).

import { clamp, roundHalfEven, roundTo } from './numbers.js';
import { MienError } from './errors.js';
import { resized, toPlanes } from './resize.js';

export const LANDMARK_NAMES = ['right_eye', 'left_eye', 'nose_tip', 'right_mouth_corner', 'left_mouth_corner'];

const SCORE_THRESHOLD = 0.7;
const SEARCHED_PIXELS = [280 ** 2, 560 ** 2, 1120 ** 2];
/** What is left of a JPEG that is looked at smaller, at least. */
export const DECODED_PIXELS = 2 * 1120 ** 2;
const LONGEST_SIDE = 4096;
// The network takes a face that lies on its side for an upright one and is only less sure: detector.py has the reasons.
const SURELY_UPRIGHT = 0.91;
const TURNS = [0, 90, 180, 270];
const EVIDENCE_ABOVE = 0.8;
const LEAST_EVIDENCE = 0.03;
const LEAST_LEAD = 0.02;
const DECIMALS = 2; // of a pixel
const STEP = 32;
const STRIDES = [8, 16, 32];
const { fround } = Math;
const OVERLAP_LIMIT = 0.3;
const CONTAINED_LIMIT = 0.7;
// The file declares 640 x 640, its graph takes any multiple of 32. A dimension's value 640 is written in three bytes,
// and so is a name of one letter: with the names h and w in their place the runtime takes any size.
const DIMENSION_640 = [0x08, 0x80, 0x05];
const NAMED = [
  [0x12, 0x01, 0x68],
  [0x12, 0x01, 0x77],
];

/** The bytes of the YuNet file, changed so that it takes pictures of any height and width that are multiples of 32. */
export function anySize(bytes) {
  const places = [];
  for (let at = 0; at + 2 < bytes.length; at += 1) {
    if (DIMENSION_640.every((value, offset) => bytes[at + offset] === value)) places.push(at);
  }
  if (places.length !== NAMED.length) throw new MienError('The face detector is not the YuNet file that was expected.');
  const changed = bytes.slice();
  places.forEach((place, number) => changed.set(NAMED[number], place));
  return changed;
}

/** Looks at one photo: each picture of it is made once, and looked at once from each side. */
export class Search {
  /**
   * @param {object} network the one that `anySize` gave.
   * @param {{data: Uint8ClampedArray, width: number, height: number, reduction: number, photoWidth: number,
   *   photoHeight: number}} photo
   */
  constructor(network, photo) {
    this.network = network;
    this.photo = photo;
    this.sizes = searchedSizes(photo.photoWidth, photo.photoHeight);
    this.pictures = new Map();
    this.looks = new Map();
  }

  /**
   * The faces of a photo that may lie on its side or stand on its head.
   *
   * @returns {Promise<{faces: {id: number, box: object, landmarks: number[][], score: number}[], turned: number,
   *   certain: boolean}>} the faces in reading order of the photo as it is, in its pixels; by how many degrees it had
   *   to be turned, clockwise, for them to be upright; and whether one side is clearly the upper one.
   */
  async anyWayUp() {
    const faces = inReadingOrder(await this.faces(0));
    if (faces.some((face) => face.score >= SURELY_UPRIGHT)) return { faces, turned: 0, certain: true };
    const evidence = {};
    for (const turned of TURNS) evidence[turned] = await this.evidence(turned);
    const best = TURNS.slice(1).reduce((most, turned) => (evidence[turned] > evidence[most] ? turned : most));
    const lead = evidence[best] - evidence[0];
    if (evidence[best] >= LEAST_EVIDENCE && lead >= LEAST_LEAD) {
      return { faces: inReadingOrder(await this.faces(best)), turned: best, certain: true };
    }
    return { faces, turned: 0, certain: evidence[best] === 0 || lead <= -LEAST_LEAD };
  }

  /** A copy of the photo for people to look at: the largest of its pictures, or the photo itself where that is smaller. */
  get smallCopy() {
    const largest = this.picture(this.sizes.length - 1);
    return largest.width > this.photo.width ? this.photo : largest;
  }

  /** The faces in the photo when it is turned, without overlap; in all pictures or the smallest so many. */
  async faces(turned, pictures = this.sizes.length) {
    // The network looks at the first while the others are made.
    const looks = this.sizes.slice(0, pictures).map((_, number) => this.look(number, turned));
    return withoutOverlap((await Promise.all(looks)).flat());
  }

  /** What speaks for a photo being upright when it is turned: its sure faces, small ones left aside. */
  async evidence(turned) {
    const found = await this.faces(turned, 2);
    return found.reduce((sum, face) => sum + Math.max(0, face.score - EVIDENCE_ABOVE), 0);
  }

  picture(number) {
    if (!this.pictures.has(number)) {
      // The smallest of a photo that was read at a part of its size is made of the next larger: detector.py says why.
      const ofLarger = number === 0 && this.sizes.length > 1 && this.photo.reduction > 1;
      const source = ofLarger ? this.picture(1) : this.photo;
      this.pictures.set(number, resized(source, ...this.sizes[number]));
    }
    return this.pictures.get(number);
  }

  look(number, turned) {
    const name = `${number} ${turned}`;
    if (!this.looks.has(name)) this.looks.set(name, this.lookOnce(this.picture(number), turned));
    return this.looks.get(name);
  }

  async lookOnce(picture, turned) {
    const { width, height } = picture;
    const [planeWidth, planeHeight] = (turned % 180 === 0 ? [width, height] : [height, width]).map(wholeSteps);
    const data = toPlanes(picture, turned, planeWidth, planeHeight);
    const outputs = await this.network.run({ input: { type: 'float32', data, dims: [1, 3, planeHeight, planeWidth] } });
    const toPhoto = [this.photo.photoWidth / width, this.photo.photoHeight / height];
    const finds = STRIDES.flatMap((stride) => readStride(outputs, stride, planeWidth / stride));
    return ofOneSearch(finds).map((find) => toFace(turnedBack(find, turned, width, height), toPhoto));
  }
}

/** A find in a picture of this width and height that was looked at turned clockwise, in the picture as it is. */
function turnedBack(find, turned, width, height) {
  if (turned === 0) return find;
  const back = {
    90: ([x, y]) => [y, height - x],
    180: ([x, y]) => [width - x, height - y],
    270: ([x, y]) => [width - y, x],
  }[turned];
  const corners = [back([find.x, find.y]), back([find.x + find.width, find.y + find.height])];
  const [left, right] = [corners[0][0], corners[1][0]].sort((one, other) => one - other);
  const [top, bottom] = [corners[0][1], corners[1][1]].sort((one, other) => one - other);
  return { ...find, x: left, y: top, width: right - left, height: bottom - top, landmarks: find.landmarks.map(back) };
}

function wholeSteps(side) {
  return Math.ceil(side / STEP) * STEP;
}

/** Widths and heights at which to look at a photo; one below the smallest is enlarged to it, others never. */
export function searchedSizes(width, height) {
  const whole = Math.sqrt(height * width);
  const factors = SEARCHED_PIXELS.map((area) => Math.sqrt(area) / whole);
  const limit = LONGEST_SIDE / Math.max(height, width);
  const kept = new Set([Math.min(factors[0], limit)]);
  if (whole > Math.sqrt(SEARCHED_PIXELS[0])) {
    for (const factor of factors.slice(1)) kept.add(Math.min(factor, 1, limit));
  }
  const side = (whole, factor) => Math.max(1, roundHalfEven(whole * factor));
  return [...kept].sort((one, other) => one - other).map((factor) => [side(width, factor), side(height, factor)]);
}

function readStride(outputs, stride, columns) {
  const certain = outputs[`cls_${stride}`].data;
  const object = outputs[`obj_${stride}`].data;
  const box = outputs[`bbox_${stride}`].data;
  const points = outputs[`kps_${stride}`].data;
  const rows = [];
  for (let place = 0; place < certain.length; place += 1) {
    const score = fround(Math.sqrt(fround(clamp(certain[place], 0, 1) * clamp(object[place], 0, 1))));
    if (!(score > SCORE_THRESHOLD)) continue;
    const column = place % columns;
    const row = Math.floor(place / columns);
    // In 32 bits, as the command line computes it.
    const [width, height] = [2, 3].map((side) => fround(fround(Math.exp(box[place * 4 + side])) * stride));
    const x = fround(fround(fround(column + box[place * 4]) * stride) - width / 2);
    const y = fround(fround(fround(row + box[place * 4 + 1]) * stride) - height / 2);
    const landmarks = LANDMARK_NAMES.map((_, number) => [
      fround(fround(column + points[place * 10 + number * 2]) * stride),
      fround(fround(row + points[place * 10 + number * 2 + 1]) * stride),
    ]);
    if ([x, y, width, height, ...landmarks.flat()].every(Number.isFinite)) rows.push({ x, y, width, height, landmarks, score });
  }
  return rows;
}

function toFace(row, [across, down]) {
  return {
    id: 0,
    box: {
      x: roundTo(row.x * across, DECIMALS),
      y: roundTo(row.y * down, DECIMALS),
      width: roundTo(row.width * across, DECIMALS),
      height: roundTo(row.height * down, DECIMALS),
    },
    landmarks: row.landmarks.map(([x, y]) => [roundTo(x * across, DECIMALS), roundTo(y * down, DECIMALS)]),
    score: roundTo(Math.min(1, row.score), 4),
  };
}

/** Of finds that show the same face the surest, corners and sides cut to whole pixels before, as OpenCV does it. */
function ofOneSearch(rows) {
  const kept = [];
  for (const row of rows.sort((one, other) => other.score - one.score)) {
    const box = { x: Math.trunc(row.x), y: Math.trunc(row.y), width: Math.trunc(row.width), height: Math.trunc(row.height) };
    const hides = (other) => {
      const shared = sharedArea(box, other);
      return shared > OVERLAP_LIMIT * (area(box) + area(other) - shared);
    };
    if (!kept.some((other) => hides(other.box))) kept.push({ box, row });
  }
  return kept.map(({ row }) => row);
}

/** Keep the most certain of faces that overlap, and drop parts of a face that were taken for one. */
function withoutOverlap(faces) {
  const kept = [];
  for (const face of [...faces].sort((one, other) => other.score - one.score)) {
    if (area(face.box) > 0 && !kept.some((other) => isSameFace(face.box, other.box))) kept.push(face);
  }
  return kept;
}

function isSameFace(box, better) {
  const shared = sharedArea(box, better);
  const union = area(box) + area(better) - shared;
  return shared > OVERLAP_LIMIT * union || shared > CONTAINED_LIMIT * area(box);
}

function area(box) {
  return box.width * box.height;
}

export function sharedArea(one, other) {
  const width = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const height = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  return Math.max(0, width) * Math.max(0, height);
}

function inReadingOrder(faces) {
  const rows = [];
  for (const face of [...faces].sort((one, other) => centreY(one) - centreY(other) || centreX(one) - centreX(other))) {
    const row = rows.at(-1);
    // A face belongs to a row when its centre is less than half a face below the row's first.
    if (row && centreY(face) - centreY(row[0]) <= row[0].box.height / 2) row.push(face);
    else rows.push([face]);
  }
  const ordered = rows.flatMap((row) =>
    row.sort((one, other) => centreX(one) - centreX(other) || centreY(one) - centreY(other)),
  );
  return ordered.map((face, number) => ({ ...face, id: number + 1 }));
}

function centreX(face) {
  return face.box.x + face.box.width / 2;
}

function centreY(face) {
  return face.box.y + face.box.height / 2;
}
