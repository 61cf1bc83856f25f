// The square of a photo that a network sees of a face, by the rule of its bundle: src/mien/inference/crops.py.

import { roundHalfEven } from './numbers.js';
import { averageBlocks, warp } from './resize.js';

// Where the landmarks of an upright frontal face lie, relative to their mean (docs/decisions/0003-crop-rule.md).
const UPRIGHT_LANDMARKS = [
  [-0.183, -0.191],
  [0.183, -0.191],
  [0, 0.019],
  [-0.149, 0.18],
  [0.149, 0.18],
];

/** How far a face leans in the picture's plane, clockwise, in radians. */
export function roll(landmarks) {
  if (landmarks.length === 0) return 0;
  const middle = [0, 1].map((axis) => landmarks.reduce((sum, point) => sum + point[axis], 0) / landmarks.length);
  let along = 0;
  let across = 0;
  landmarks.forEach((point, number) => {
    const [x, y] = [point[0] - middle[0], point[1] - middle[1]];
    const [uprightX, uprightY] = UPRIGHT_LANDMARKS[number];
    along += uprightX * x + uprightY * y;
    across += uprightX * y - uprightY * x;
  });
  return Math.atan2(across, along);
}

/** The side of the square that the rule cuts for a face, in photo pixels. */
export function cropSide(face, rule) {
  return rule.margin * Math.sqrt(Math.max(face.box.width * face.box.height, 1));
}

/** The map from pixel centres of the crop to pixel centres of the photo: [a, b, c, d, e, f] as in `warp`. */
export function cropToPhoto(face, rule) {
  const side = cropSide(face, rule);
  const lean = roll(face.landmarks);
  // Without aligning, a face keeps its lean, but one in a photo that lies on its side is still turned with it.
  const angle = rule.kind === 'aligned' ? lean : (Math.PI / 2) * roundHalfEven(lean / (Math.PI / 2));
  const right = [Math.cos(angle) * side, Math.sin(angle) * side];
  const down = [-Math.sin(angle) * side, Math.cos(angle) * side];
  const centre = [face.box.x + face.box.width / 2, face.box.y + face.box.height / 2];
  const map = [0, 1].map((axis) => {
    const start = centre[axis] + rule.vertical_shift * down[axis] - right[axis] / 2 - down[axis] / 2;
    const [xStep, yStep] = [right[axis] / rule.size, down[axis] / rule.size];
    return [xStep, yStep, start + (xStep + yStep) / 2 - 0.5];
  });
  return map.flat();
}

/** How many values a pixel of a crop has: 1 for gray, 3 for red, green and blue. */
export function channelsOf(rule) {
  return rule.channels === 'rgb' ? 3 : 1;
}

/** Cut a face out of a photo: square, without aliasing, gray or in colour; beyond the photo its edge pixels go on. */
export function cropFace(picture, face, rule) {
  const map = cropToPhoto(face, rule);
  const oversampling = Math.max(1, Math.ceil(Math.hypot(map[0], map[3]) / picture.reduction));
  const fine = scaledMap(map, 1 / oversampling, picture.reduction);
  const size = rule.size * oversampling;
  // Sampling at the photo's own density and averaging blocks: sampling the small crop directly would alias.
  const channels = channelsOf(rule);
  return averageBlocks(warp(picture, fine, size, channels), size, oversampling, channels);
}

/** The map for a crop whose pixels are `step` wide, onto a picture of 1/reduction of the photo's size. */
function scaledMap([a, b, c, d, e, f], step, reduction) {
  const shift = (step - 1) / 2;
  const onto = (value) => value / reduction + (1 / reduction - 1) / 2;
  return [
    (a * step) / reduction,
    (b * step) / reduction,
    onto(a * shift + b * shift + c),
    (d * step) / reduction,
    (e * step) / reduction,
    onto(d * shift + e * shift + f),
  ];
}
