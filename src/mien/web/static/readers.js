// The two ways to read a photo. Both give the results of `mien predict --json`, and pictures as blobs.

import { Asked } from './asking.js';
import { MienError } from './engine/errors.js';

const BUSY = 429;
const MOST_TRIES = 20;

/** The worker that holds the networks; photos never leave the browser. */
export class BrowserReader extends Asked {
  /** @param {(bytes: number) => void} onProgress told how many bytes have been loaded. */
  constructor(onProgress) {
    super('worker.js', ({ progress }) => onProgress(progress));
  }

  start() {
    return this.ask('start');
  }

  read(file, name) {
    return this.ask('recognize', { file, name });
  }

  /** A small copy to look at; null where this browser cannot read the file. */
  view(file, name) {
    return this.ask('view', { file, name });
  }

  explain(file, result, label) {
    return this.ask('explain', { file, result, label });
  }

  draw(file, result) {
    return this.ask('draw', { file, result });
  }
}

/** The server's interface; photos are sent to it. */
export class ServerReader {
  /** @param {BrowserReader} local makes the pictures to look at. */
  constructor(local) {
    this.local = local;
    this.token = '';
    this.limits = null;
  }

  async model() {
    return (await this.send('v1/model')).json();
  }

  async reports() {
    return (await (await this.send('v1/reports')).json()).reports;
  }

  /** Links carry no token: a cookie does instead. */
  async useToken(token) {
    this.token = token;
    await this.send('v1/session', { method: 'POST' });
  }

  async read(file, name) {
    const most = this.limits?.photo_bytes ?? Infinity;
    if (file.size > most) {
      // Said here: a server that refuses while it is still sent to cannot be heard.
      throw new MienError(
        `The photo has ${megabytes(file.size)} MB, and this server takes ${megabytes(most)} MB at most. Read it in this ` +
          'browser, or make it smaller.',
      );
    }
    const answer = await this.send('v1/faces', { method: 'POST', body: form(file, name) });
    const [result] = (await answer.json()).photos;
    if (result.outcome === 'unreadable') return { result, view: null };
    return { result, view: (await this.local.view(file, name)) ?? (await this.drawn(file, result)) };
  }

  async explain(file, result, label) {
    const query = label === null ? '' : `?${new URLSearchParams({ label })}`;
    return (await this.send(`v1/explain${query}`, { method: 'POST', body: form(file, result.photo) })).blob();
  }

  async draw(file, result) {
    return (await this.send('v1/drawing', { method: 'POST', body: form(file, result.photo) })).blob();
  }

  async drawn(file, result) {
    return result.faces.length > 0 ? this.draw(file, result) : null;
  }

  async send(path, options = {}) {
    const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    for (let tries = 1; ; tries += 1) {
      const response = await fetch(path, { ...options, headers }).catch(() => {
        throw new MienError('The server does not answer. Is `mien serve` still running?');
      });
      if (response.ok) return response;
      if (response.status === BUSY && tries < MOST_TRIES) {
        await pause(Number(response.headers.get('Retry-After') ?? 1));
        continue;
      }
      const body = await response.json().catch(() => null);
      throw new MienError(body?.error?.message ?? `The server answered with status ${response.status}.`);
    }
  }
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}

function form(file, name) {
  const body = new FormData();
  body.append('photo', file, name);
  return body;
}

function pause(seconds) {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
}
