// What the page shows of a result. Text that comes from files and servers is only ever set as text.

import { describe, doubt, mostProbable, percent, whyNot } from './engine/results.js';

const SVG = 'http://www.w3.org/2000/svg';

/**
 * The list item of a photo.
 *
 * @param {object} shown {file, result, view, mode}: view is a picture's blob or null.
 * @param {{explain, draw, remove, fail}} acts what the buttons do; explain and draw give a picture's blob.
 */
export function photoItem({ file, result, view, mode }, acts) {
  const item = document.querySelector('#photo-template').content.firstElementChild.cloneNode(true);
  const part = (selector) => item.querySelector(selector);
  part('h3').textContent = result.photo;
  part('.where').textContent = mode === 'browser' ? 'Read in this browser.' : 'Read on the server.';
  part('.reason').textContent = result.reason ? capitalised(whyNot(result)) : '';
  part('.reason').hidden = !result.reason;
  part('.notes').append(...result.notes.map((note) => element('li', `Note: ${note}.`)));
  part('.faces').append(...result.faces.map((face) => faceItem(face, item)));
  const photo = view === null ? null : URL.createObjectURL(view);
  const image = part('img');
  if (photo !== null) {
    image.src = photo;
    image.alt = `The photo ${result.photo}`;
    fillFrames(part('svg'), result);
  }
  wireMap(item, { file, result, photo }, acts);
  const drawing = part('.drawing');
  drawing.hidden = result.faces.length === 0;
  drawing.addEventListener('click', async () => {
    const picture = await whileBusy(drawing, () => acts.draw(file, result), acts.fail);
    if (picture) download(picture, `${result.photo}.faces.png`);
  });
  part('.remove').setAttribute('aria-label', `Remove ${result.photo}`);
  part('.remove').addEventListener('click', () => {
    if (photo !== null) URL.revokeObjectURL(photo);
    item.remove();
    acts.remove();
  });
  return item;
}

function wireMap(item, { file, result, photo }, acts) {
  const button = item.querySelector('.map');
  const which = item.querySelector('.which');
  const image = item.querySelector('img');
  const answered = result.faces.filter((face) => mostProbable(face) !== null);
  button.hidden = which.hidden = answered.length === 0 || photo === null;
  if (button.hidden) return;
  const select = which.querySelector('select');
  const labels = Object.keys(answered[0].probabilities);
  select.append(new Option("each face's label", ''), ...labels.map((label) => new Option(label, label)));
  const show = async (on) => {
    const map = on && (await whileBusy(button, () => acts.explain(file, result, select.value || null), acts.fail));
    if (image.src !== photo) URL.revokeObjectURL(image.src);
    image.src = map ? URL.createObjectURL(map) : photo;
    image.alt = map
      ? `The photo ${result.photo} with a map: which places speak for ${select.selectedOptions[0].text}`
      : `The photo ${result.photo}`;
    button.setAttribute('aria-pressed', String(Boolean(map)));
    item.querySelector('.legend').hidden = !map;
  };
  button.addEventListener('click', () => show(button.getAttribute('aria-pressed') !== 'true'));
  select.addEventListener('change', () => show(true));
}

function faceItem(face, item) {
  const place = element('li');
  place.className = `face ${face.outcome}`;
  const title = element('h4');
  const id = element('span', String(face.id));
  id.className = 'id';
  const hidden = element('span', 'Face ');
  hidden.className = 'unseen';
  id.prepend(hidden);
  const words = element('span', describe(face));
  words.className = 'words';
  title.append(id, words);
  const doubted = element('p', doubt(face));
  doubted.className = 'doubt';
  doubted.hidden = doubted.textContent === '';
  place.append(title, doubted, bars(face));
  const point = (on) => item.querySelector(`[data-face="${face.id}"]`)?.classList.toggle('pointed', on);
  place.addEventListener('pointerenter', () => point(true));
  place.addEventListener('pointerleave', () => point(false));
  return place;
}

function bars(face) {
  const table = element('table');
  table.className = 'bars';
  const best = mostProbable(face)?.[0];
  const caption = element('caption', `Probabilities of face ${face.id}`);
  caption.className = 'unseen';
  table.append(caption);
  for (const [label, value] of Object.entries(face.probabilities)) {
    const row = table.insertRow();
    if (label === best) row.className = 'best';
    const head = element('th', label);
    head.scope = 'row';
    const fill = element('div');
    fill.style.width = `${value * 100}%`;
    const bar = element('div');
    bar.className = 'bar';
    bar.append(fill);
    row.append(head);
    const cell = row.insertCell();
    cell.setAttribute('aria-hidden', 'true');
    cell.append(bar);
    row.insertCell().textContent = percent(value);
  }
  return table;
}

function fillFrames(svg, result) {
  svg.setAttribute('viewBox', `0 0 ${result.width} ${result.height}`);
  for (const face of result.faces) {
    const { x, y, width, height } = face.box;
    for (const kind of ['halo', face.outcome]) {
      const frame = document.createElementNS(SVG, 'rect');
      for (const [name, value] of Object.entries({ x, y, width, height })) frame.setAttribute(name, value);
      frame.setAttribute('class', `frame ${kind}`);
      if (kind !== 'halo') frame.dataset.face = face.id;
      svg.append(frame);
    }
    const size = Math.max(width / 4, result.width / 45);
    const number = document.createElementNS(SVG, 'text');
    number.textContent = face.id;
    number.setAttribute('class', 'number');
    number.setAttribute('x', Math.max(0, x) + size * 0.25);
    number.setAttribute('y', Math.max(0, y) + size);
    number.setAttribute('font-size', size);
    number.setAttribute('stroke-width', size / 6);
    svg.append(number);
  }
}

/** A bundle's card: each key a section; text as a paragraph, a list as bullets, a mapping as a table. */
export function cardParts(card) {
  return Object.entries(card).flatMap(([key, value]) => {
    const title = element('h3', capitalised(key.replaceAll('_', ' ')));
    if (Array.isArray(value)) {
      const list = element('ul');
      list.append(...value.map((entry) => element('li', inline(entry))));
      return [title, list];
    }
    if (value === null || typeof value !== 'object' || isFigure(value)) return [title, element('p', inline(value))];
    const table = element('table');
    for (const [name, entry] of Object.entries(value)) {
      const row = table.insertRow();
      const head = element('th', name.replaceAll('_', ' '));
      head.scope = 'row';
      row.append(head);
      row.insertCell().textContent = inline(entry);
    }
    return [title, table];
  });
}

function isFigure(value) {
  return ['value', 'low', 'high', 'count'].every((key) => key in value);
}

function inline(value) {
  if (Array.isArray(value)) return value.map(inline).join(', ');
  if (typeof value === 'number') return String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
  if (value === null || typeof value !== 'object') return String(value);
  if (isFigure(value)) {
    const [middle, low, high] = [value.value, value.low, value.high].map((figure) => figure.toFixed(3));
    return `${middle} [${low}, ${high}], n=${value.count}`;
  }
  return Object.entries(value).map(([key, entry]) => `${key}: ${inline(entry)}`).join('; ');
}

export function element(name, text = '') {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

/** Hand a blob to the person as a file. */
export function download(blob, name) {
  const link = element('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function whileBusy(button, act, fail) {
  // A button that is disabled loses the focus; whatever else has it keeps it.
  const held = document.activeElement === button;
  button.disabled = true;
  try {
    return await act();
  } catch (error) {
    fail(error);
    return null;
  } finally {
    button.disabled = false;
    if (held) button.focus();
  }
}

function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
