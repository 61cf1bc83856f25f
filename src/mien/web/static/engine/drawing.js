// Results and maps drawn on a copy of the photo: src/mien/inference/drawing.py and explanation.py.

import { sharedArea } from './detector.js';
import { clamp } from './numbers.js';
import { describe } from './results.js';

const LEAST_FONT_PX = 12;
const LARGEST_FONT_PX = 40;
const PAPER = '#ffffff';
const INK = '#141414';
// Okabe and Ito's palette, which people with colour-blind vision can tell apart; the words say the same.
const COLOURS = { ok: 'rgb(0 158 115)', mixed: 'rgb(86 180 233)', unsure: 'rgb(230 159 0)', too_small: 'rgb(150 150 150)' };
const STRONGEST = 0.65; // opacity of the largest value, so that the face is still seen
const FOR = [255, 110, 0];
const AGAINST = [0, 90, 255];

/**
 * Draw frames and words.
 *
 * @param {ImageBitmap} view a copy of the photo.
 * @param {object[]} faces of a result.
 * @param {number} scale pixels of the view per photo pixel.
 */
export function drawFaces(view, faces, scale) {
  const canvas = new OffscreenCanvas(view.width, view.height);
  const context = canvas.getContext('2d');
  context.drawImage(view, 0, 0);
  const width = Math.max(2, Math.round(Math.max(view.width, view.height) / 500));
  const boxes = faces.map(({ box }) => scaled(box, scale));
  context.lineWidth = width;
  faces.forEach((face, number) => {
    const { x, y, width: boxWidth, height } = boxes[number];
    // A light frame around a coloured one is seen on dark and on light photos.
    context.strokeStyle = PAPER;
    context.strokeRect(x - width / 2, y - width / 2, boxWidth + width, height + width);
    context.strokeStyle = COLOURS[face.outcome];
    context.strokeRect(x + width / 2, y + width / 2, boxWidth - width, height - width);
  });
  const occupied = [...boxes];
  faces.forEach((face, number) => occupied.push(drawWords(context, face, boxes[number], width, occupied)));
  return canvas;
}

/** Write a face's words where they cover least of the faces and words that are there; returns their place. */
function drawWords(context, face, box, frame, occupied) {
  const size = clamp(box.width / 6, LEAST_FONT_PX, LARGEST_FONT_PX);
  context.font = `${size}px system-ui, sans-serif`;
  context.textBaseline = 'top';
  const words = `${face.id}  ${describe(face)}`;
  const margin = frame + 1;
  const plate = { width: context.measureText(words).width + 2 * margin + frame, height: size * 1.2 + 2 * margin };
  const columns = [box.x - frame, box.x + box.width + frame - plate.width];
  const rows = [box.y - frame - plate.height, box.y + box.height + frame, box.y + frame];
  const places = rows.flatMap((y) =>
    columns.map((x) => ({
      ...plate,
      x: Math.max(0, Math.min(x, context.canvas.width - plate.width)),
      y: Math.max(0, Math.min(y, context.canvas.height - plate.height)),
    })),
  );
  const covered = (place) => occupied.reduce((sum, other) => sum + sharedArea(place, other), 0);
  const place = places.reduce((best, other) => (covered(other) < covered(best) ? other : best));
  context.fillStyle = PAPER;
  context.fillRect(place.x, place.y, place.width, place.height);
  context.fillStyle = COLOURS[face.outcome];
  context.fillRect(place.x, place.y, frame, place.height);
  context.fillStyle = INK;
  context.fillText(words, place.x + margin + frame, place.y + margin + size * 0.1);
  return place;
}

function scaled(box, scale) {
  return { x: box.x * scale, y: box.y * scale, width: box.width * scale, height: box.height * scale };
}

/**
 * Lay maps over faces, made gray: orange where a place speaks for the label, blue where it speaks against it.
 *
 * @param {ImageBitmap} view a copy of the photo.
 * @param {{heat: Float64Array, size: number, map: number[]}[]} maps what `Recognizer.explain` gave.
 * @param {number} scale pixels of the view per photo pixel.
 */
export function drawMaps(view, maps, scale) {
  const canvas = new OffscreenCanvas(view.width, view.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(view, 0, 0);
  const image = context.getImageData(0, 0, view.width, view.height);
  for (const map of maps) layOver(image, map, scale);
  context.putImageData(image, 0, 0);
  return canvas;
}

function layOver({ data, width, height }, { heat, size, map }, scale) {
  const shift = (scale - 1) / 2;
  const [a, b, c, d, e, f] = map.map((value, place) => value * scale + (place % 3 === 2 ? shift : 0));
  const determinant = a * e - b * d;
  const largest = heat.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const corners = [-1, size].flatMap((u) => [-1, size].map((v) => [a * u + b * v + c, d * u + e * v + f]));
  const [left, right] = range(corners.map(([x]) => x), width);
  const [top, bottom] = range(corners.map(([, y]) => y), height);
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      const u = (e * (x - c) - b * (y - f)) / determinant;
      const v = (a * (y - f) - d * (x - c)) / determinant;
      if (u <= -1 || v <= -1 || u >= size || v >= size) continue;
      const value = sample(heat, size, u, v) / largest;
      const opacity = Math.abs(value) * STRONGEST;
      const colour = value >= 0 ? FOR : AGAINST;
      const at = (y * width + x) * 4;
      const gray = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
      for (let channel = 0; channel < 3; channel += 1) {
        data[at + channel] = gray * (1 - opacity) + colour[channel] * opacity;
      }
    }
  }
}

function range(values, size) {
  return [Math.max(0, Math.floor(Math.min(...values))), Math.min(size - 1, Math.ceil(Math.max(...values)))];
}

/** Linear interpolation; beyond the map its values are 0. */
function sample(heat, size, u, v) {
  const [left, top] = [Math.floor(u), Math.floor(v)];
  const value = (x, y) => (x < 0 || y < 0 || x >= size || y >= size ? 0 : heat[y * size + x]);
  const upper = value(left, top) * (1 - (u - left)) + value(left + 1, top) * (u - left);
  const lower = value(left, top + 1) * (1 - (u - left)) + value(left + 1, top + 1) * (u - left);
  return upper * (1 - (v - top)) + lower * (v - top);
}
