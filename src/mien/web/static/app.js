// The page: what its controls do. Photos are read one after another, in the way that was chosen when they were given.

import { openCamera } from './camera.js';
import { droppedPhotos } from './dropped.js';
import { summary, toCsv, toJson } from './engine/results.js';
import { BrowserReader, ServerReader } from './readers.js';
import { cardParts, download, element, photoItem } from './view.js';

const USUAL_MEGABYTES = 6.1; // of what is loaded, for the bar

const get = (id) => document.getElementById(id);
const browser = new BrowserReader((bytes) => {
  get('loading').value = Math.min(1, bytes / 1e6 / USUAL_MEGABYTES);
});
const server = new ServerReader(browser);
const shown = new Map(); // list item -> {file, result, view, mode}
const queue = [];
let ready = { browser: false, server: false };
let reading = false;
let counted = 0;

start();

async function start() {
  wire();
  const config = await serverConfig();
  const hasServer = config?.server === true;
  get('modes').hidden = !hasServer;
  get('only-browser').hidden = hasServer;
  get('notice').href = hasServer ? 'notice' : 'notice.html';
  get('about').textContent = config ? `mien ${config.version}` : 'mien';
  if (hasServer) offerServer(config);
  await startBrowser(hasServer);
  if (!hasServer) await keepForOffline();
  document.documentElement.dataset.state = ready.browser ? 'ready' : 'failed';
}

async function serverConfig() {
  try {
    const response = await fetch('v1/config');
    return response.ok ? await response.json() : null;
  } catch {
    return null; // no server, or no network
  }
}

async function startBrowser(hasServer) {
  try {
    const { identity, golden, card, labels } = await browser.start();
    ready.browser = true;
    const digits = golden.difference.toExponential(0);
    browser.status =
      `Ready. The model ${identity} was asked its golden example, ${golden.count} faces, and answers in this browser as ` +
      `it did when it was made (largest difference ${digits}).`;
    get('card-text').replaceChildren(...cardParts({ labels, ...card }));
    get('card').hidden = false;
  } catch (error) {
    browser.status = null;
    browser.failure = `Photos cannot be read in this browser: ${error.message}${hasServer ? ' The server can read them.' : ''}`;
  }
  get('loading').hidden = true;
  tellStatus();
  workOff();
}

async function offerServer(config) {
  get('server-name').textContent = location.host;
  get('token-form').hidden = !config.token_needed;
  server.limits = config.limits;
  if (config.token_needed) server.failure = 'The server asks for a token. Type it in above.';
  else await startServer(config.reports);
}

async function startServer(hasReports) {
  try {
    const { identity, golden } = await server.model();
    ready.server = true;
    server.failure = null;
    server.status =
      `Ready. The server's model ${identity} answers its golden example, ${golden.count} faces, as it did when it was ` +
      `made (largest difference ${golden.difference.toExponential(0)}).`;
    if (hasReports) await listReports();
  } catch (error) {
    server.failure = `Photos cannot be read on the server: ${error.message}`;
  }
  tellStatus();
}

async function listReports() {
  const reports = await server.reports();
  get('reports').hidden = reports.length === 0;
  get('report-list').replaceChildren(
    ...reports.map(({ title, url, written }) => {
      const link = element('a', title);
      link.href = url;
      link.target = '_blank';
      link.rel = 'noopener';
      const item = element('li');
      item.append(link, ` (written ${new Date(written).toLocaleString()}; opens in a new tab)`);
      return item;
    }),
  );
}

/** On a static host the page's files are kept, so that it opens without a network. Needs https (or this machine). */
async function keepForOffline() {
  if (!('serviceWorker' in navigator)) return;
  const kept = await filesAreKept().catch(() => false);
  if (kept && browser.status) browser.status += ' The page now works without a network.';
  tellStatus();
}

async function filesAreKept() {
  const registration = await navigator.serviceWorker.register('sw.js');
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  const settled = () => ['activated', 'redundant'].includes(worker.state);
  while (!settled()) {
    await new Promise((resolve) => {
      worker.addEventListener('statechange', resolve, { once: true });
    });
  }
  return worker.state === 'activated';
}

function mode() {
  return get('mode-server').checked ? 'server' : 'browser';
}

function reader(name) {
  return name === 'server' ? server : browser;
}

function tellStatus() {
  const { status, failure } = reader(mode());
  const text = failure ?? status ?? 'Loading the networks …';
  const place = get('status');
  if (place.textContent !== text) place.textContent = text;
  place.className = `message ${failure ? 'error' : status ? 'good' : ''}`;
}

function wire() {
  for (const input of document.querySelectorAll('input[name=mode]')) input.addEventListener('change', tellStatus);
  get('choose').addEventListener('click', () => get('files').click());
  for (const id of ['files', 'still']) {
    get(id).addEventListener('change', () => {
      give([...get(id).files]);
      get(id).value = '';
    });
  }
  get('camera').addEventListener('click', useCamera);
  get('token-form').addEventListener('submit', useToken);
  get('json').addEventListener('click', () => download(new Blob([toJson(results())], { type: 'application/json' }), 'faces.json'));
  get('csv').addEventListener('click', () => download(new Blob([toCsv(results())], { type: 'text/csv' }), 'faces.csv'));
  get('clear').addEventListener('click', () => {
    for (const item of [...shown.keys()]) item.querySelector('.remove').click();
    get('choose').focus();
  });
  document.addEventListener('paste', (event) => {
    const files = [...event.clipboardData.files];
    if (files.length > 0) give(files.map((file) => new File([file], pastedName(file), { type: file.type })));
  });
  wireDrop();
}

/** Photos may be dropped anywhere on the page: a near miss would replace it by the photo. */
function wireDrop() {
  const over = (on) => get('drop').classList.toggle('over', on);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener('dragleave', (event) => event.relatedTarget === null && over(false));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    over(false);
    takeDropped(event.dataTransfer);
  });
}

async function takeDropped(transfer) {
  const hasFiles = transfer.types.includes('Files'); // asked now: it is empty once the drop is over
  try {
    const photos = await droppedPhotos(transfer);
    if (photos.length === 0 && hasFiles) say('There are no photos in what was dropped.', true);
    giveNamed(photos);
  } catch (error) {
    say(`What was dropped cannot be read (${error.message}).`, true);
  }
}

function pastedName(file) {
  counted += 1;
  return `pasted-${counted}.${file.type.split('/')[1] ?? 'png'}`;
}

async function useCamera() {
  if (!navigator.mediaDevices) {
    get('still').click(); // without https a phone's own camera is asked instead
    return;
  }
  try {
    const still = await openCamera(get('camera-window'), get('video'), get('take'), get('camera-close'));
    counted += 1;
    if (still) give([new File([still], `camera-${counted}.png`, { type: still.type })]);
  } catch (error) {
    say(`The camera cannot be used (${error.message}).`, true);
  }
}

async function useToken(event) {
  event.preventDefault();
  try {
    await server.useToken(get('token').value.trim());
    await startServer(true);
  } catch (error) {
    server.failure = error.message;
    tellStatus();
  }
}

function give(files) {
  giveNamed(files.map((file) => ({ file, name: file.name })));
}

function giveNamed(photos) {
  if (photos.length === 0) return;
  for (const { file, name } of photos) queue.push({ file, name, mode: mode() });
  say(photos.length === 1 ? `Reading ${photos[0].name} …` : `Reading ${photos.length} photos …`);
  workOff();
}

async function workOff() {
  if (reading) return;
  reading = true;
  document.documentElement.dataset.reading = 'true';
  while (queue.length > 0 && ready[queue[0].mode]) {
    const { file, name, mode: chosen } = queue.shift();
    try {
      const { result, view } = await reader(chosen).read(file, name);
      show({ file, result, view, mode: chosen });
    } catch (error) {
      say(`${name}: ${error.message}`, true);
    }
  }
  reading = false;
  document.documentElement.dataset.reading = 'false';
  const waits = queue[0]?.mode;
  if (waits && reader(waits).failure) {
    queue.length = 0;
    say(reader(waits).failure, true);
  }
}

function show(photo) {
  const how = reader(photo.mode);
  const item = photoItem(photo, {
    explain: (file, result, label) => how.explain(file, result, label),
    draw: (file, result) => how.draw(file, result),
    fail: (error) => say(error.message, true),
    remove: () => {
      shown.delete(item);
      showCount();
    },
  });
  shown.set(item, photo);
  get('results').prepend(item);
  showCount();
  say(summary(photo.result));
}

function results() {
  return [...shown.values()].map((photo) => photo.result);
}

function showCount() {
  get('nothing').hidden = shown.size > 0;
  get('downloads').hidden = shown.size === 0;
}

/** Say something to those who do not see the page; what went wrong is shown, too. */
function say(text, wrong = false) {
  const place = get('said');
  const line = element('p', text);
  line.className = wrong ? 'message error' : '';
  place.classList.toggle('unseen', !wrong);
  place.append(line);
  while (place.children.length > 8) place.firstElementChild.remove();
}
