// Runs the networks apart from all else, so that the next picture is made while one is looked at. One thread of WebAssembly.

import * as ort from './vendor/ort.wasm.bundle.min.mjs';
import { answer } from './asking.js';

const OPTIONS = { executionProviders: ['wasm'], graphOptimizationLevel: 'all', logSeverityLevel: 3 };
const sessions = [];

answer({
  start({ runtime }) {
    ort.env.wasm.wasmBinary = runtime.buffer;
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = 'error';
  },

  async load({ model }) {
    const session = await ort.InferenceSession.create(model, OPTIONS);
    return { number: sessions.push(session) - 1, outputNames: session.outputNames };
  },

  async run({ number, inputs, outputNames }) {
    const tensors = each(inputs, ({ type, data, dims }) => new ort.Tensor(type, data, dims));
    return each(await sessions[number].run(tensors, outputNames), ({ data, dims }) => ({ data, dims }));
  },
});

function each(values, change) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}
