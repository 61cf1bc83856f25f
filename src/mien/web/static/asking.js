// A worker that is asked by name for what it can do, and answers when it has done it.

import { MienError } from './engine/errors.js';

/** The side that asks. */
export class Asked {
  /**
   * @param {string} file the worker's script, beside this one.
   * @param {(message: object) => void} onUnasked told what the worker says without having been asked.
   */
  constructor(file, onUnasked = () => {}) {
    this.worker = new Worker(new URL(file, import.meta.url), { type: 'module' });
    this.waiting = new Map();
    this.asked = 0;
    this.worker.addEventListener('message', ({ data }) => {
      if ('id' in data) this.settle(data);
      else onUnasked(data);
    });
    this.worker.addEventListener('error', (event) => {
      event.preventDefault();
      const reason = event.message || 'its files could not be loaded';
      for (const id of [...this.waiting.keys()]) this.settle({ id, error: `The reader stopped: ${reason}.` });
    });
  }

  settle({ id, value, error }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new MienError(error));
  }

  /** @param {ArrayBuffer[]} given memory of the values that is given away instead of copied. */
  ask(action, values = {}, given = []) {
    return new Promise((resolve, reject) => {
      this.asked += 1;
      this.waiting.set(this.asked, { resolve, reject });
      this.worker.postMessage({ id: this.asked, action, ...values }, given);
    });
  }
}

/** The side that answers: a worker calls it with its actions, each a function of the values that it is asked with. */
export function answer(actions) {
  self.addEventListener('message', async ({ data: { id, action, ...values } }) => {
    try {
      self.postMessage({ id, value: await actions[action](values) });
    } catch (error) {
      const known = error instanceof MienError;
      self.postMessage({ id, error: known ? error.message : `Something unexpected happened: ${error.message}.` });
    }
  });
}
