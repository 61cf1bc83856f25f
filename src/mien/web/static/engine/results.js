// What is said about photos, in the form of the command line's --json and --csv: src/mien/inference/results.py.

export const SCHEMA = 1;
export const EXPRESSIONS = ['anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral', 'contempt'];
const CSV_COLUMNS = [
  'photo', 'outcome', 'reason', 'face', 'face_outcome', 'label', 'probability', 'x', 'y', 'width', 'height', 'score',
  'area_rank', 'distance',
  ...EXPRESSIONS,
];

/** [expression, probability] of the most probable expression; null when the model was not asked. */
export function mostProbable(face) {
  const pairs = Object.entries(face.probabilities);
  return pairs.length === 0 ? null : pairs.reduce((best, pair) => (pair[1] > best[1] ? pair : best));
}

/** The two most probable [expression, probability], the first one first. */
export function leading(probabilities) {
  return Object.entries(probabilities).sort((one, other) => other[1] - one[1]).slice(0, 2);
}

/** A face in a few words: "happiness 93%", "mixed (anger 44%, fear 38%)", "unsure (fear 31%)" or "too small". */
export function describe(face) {
  const best = mostProbable(face);
  if (best === null) return 'too small';
  const said = face.outcome === 'mixed' ? Object.entries(face.mixture) : [best];
  const words = said.map(([label, value]) => `${label} ${percent(value)}`).join(', ');
  return face.outcome === 'ok' ? words : `${face.outcome} (${words})`;
}

/** What is said of a face that the model knows no such faces of; empty for others. */
export function doubt(face) {
  return face.distance > 1 ? 'Unlike the faces that the model learned from: its probabilities say little here.' : '';
}

/** A photo in one sentence, to be read out. */
export function summary(result) {
  if (result.faces.length === 0) return `${result.photo}: ${whyNot(result)}`;
  const count = result.faces.length === 1 ? '1 face' : `${result.faces.length} faces`;
  return `${result.photo}: ${count}. ${result.faces.map(spoken).join('. ')}.`;
}

function spoken(face) {
  return `Face ${face.id}: ${describe(face)}${doubt(face) && ', unlike the faces that the model learned from'}`;
}

/** A photo's outcome and the reason for it, which alone says that there is no face. */
export function whyNot({ outcome, reason }) {
  if (outcome === 'no_face') return reason;
  const others = { ok: 'read', too_small: 'too small', unreadable: 'not readable' };
  return `${others[outcome] ?? outcome}. ${reason}`;
}

export function percent(value) {
  return `${(value * 100).toFixed(0)}%`;
}

/** One JSON value for one photo, a list for several. */
export function toJson(results) {
  return `${JSON.stringify(results.length === 1 ? results[0] : results, null, 1)}\n`;
}

/** A row per face, or one row for a photo without faces. */
export function toCsv(results) {
  const rows = results.flatMap(toRows).map((row) => CSV_COLUMNS.map((column) => csvCell(row[column] ?? '')).join(','));
  return `${[CSV_COLUMNS.join(','), ...rows].join('\n')}\n`;
}

function toRows(result) {
  const photo = { photo: result.photo, outcome: result.outcome, reason: result.reason };
  if (result.faces.length === 0) return [photo];
  return result.faces.map((face) => ({
    ...photo,
    face: face.id,
    face_outcome: face.outcome,
    label: face.label,
    probability: face.probability,
    ...face.box,
    score: face.score,
    area_rank: face.area_rank,
    distance: face.distance,
    ...face.probabilities,
  }));
}

function csvCell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
