// Reads photos apart from the page, so that the page stays awake. All files are fetched at the start, none later.

import { Asked, answer } from './asking.js';
import { openBundle } from './engine/bundle.js';
import { MienError } from './engine/errors.js';
import { drawFaces, drawMaps } from './engine/drawing.js';
import { DECODED_PIXELS, Search } from './engine/detector.js';
import { givesPixelsUnchanged, readPhoto, viewOf } from './engine/pixels.js';
import { Recognizer } from './engine/recognizer.js';
import { mostProbable } from './engine/results.js';

const FILES = {
  runtime: 'vendor/ort-wasm-simd-threaded.wasm.gz',
  bundle: 'model/default.mien',
  detector: 'model/yunet.onnx',
};
const DRAWING_LONGEST_PX = 2048;
const DRAWING_LEAST_PX = 768;

let recognizer = null;

answer({
  /** Fetch everything, start both networks and ask the golden example. */
  async start() {
    const [runtime, bundleBytes, yunet] = await fetchAll(Object.values(FILES));
    const bundle = await openBundle(bundleBytes);
    const wasm = await unpacked(runtime);
    const networks = new Asked('networks.js'); // asked at once, or nobody waits when it cannot be loaded
    await networks.ask('start', { runtime: wasm }, [wasm.buffer]);
    const started = await Recognizer.start(networks, bundle, yunet);
    const golden = await started.classifier.checkGolden();
    if (!givesPixelsUnchanged()) {
      throw new MienError(
        'This browser changes the pixels that a page reads, to protect from being recognised. Labels of changed ' +
          'pixels would not be those of the command line. Allow this page to read canvas data, or use another browser.',
      );
    }
    recognizer = started;
    const { name, identity, labels, card, unsure } = bundle;
    return { name, identity, labels, card, unsure, golden };
  },

  async recognize({ file, name }) {
    let view = null;
    const result = await recognizer.recognize(file, name, (copy) => {
      view = toJpeg(copy);
    });
    return { result, view: await view };
  },

  /** Only a small copy to look at; null where this browser cannot read the file. */
  async view({ file, name }) {
    try {
      const photo = await readPhoto(file, name, DECODED_PIXELS);
      return await toJpeg(new Search(null, photo).smallCopy);
    } catch {
      return null;
    }
  },

  /** Maps laid over the faces; label: null for each face's most probable one. */
  async explain({ file, result, label }) {
    const picture = await readPhoto(file, result.photo);
    const asked = result.faces.filter((face) => mostProbable(face) !== null);
    const maps = [];
    for (const face of asked) maps.push(await recognizer.explain(picture, face, label ?? mostProbable(face)[0]));
    const view = await viewOf(picture, DRAWING_LONGEST_PX, DRAWING_LEAST_PX);
    return toBlob(drawMaps(view, maps, view.width / picture.photoWidth), 'image/png');
  },

  async draw({ file, result }) {
    const picture = await readPhoto(file, result.photo);
    const view = await viewOf(picture, DRAWING_LONGEST_PX, DRAWING_LEAST_PX);
    return toBlob(drawFaces(view, result.faces, view.width / picture.photoWidth), 'image/png');
  },
});

async function fetchAll(paths) {
  const loaded = new Map(paths.map((path) => [path, 0]));
  const tell = () => self.postMessage({ progress: [...loaded.values()].reduce((sum, bytes) => sum + bytes, 0) });
  return Promise.all(
    paths.map(async (path) => {
      const response = await fetch(path);
      if (!response.ok) throw new MienError(`${path} could not be fetched (${response.status}). Load the page again.`);
      const parts = [];
      for (const reader = response.body.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        parts.push(value);
        loaded.set(path, loaded.get(path) + value.length);
        tell();
      }
      return new Uint8Array(await new Blob(parts).arrayBuffer());
    }),
  );
}

/** The file is kept packed; some web servers say so to the browser, which then has unpacked it already. */
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function toJpeg({ data, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d').putImageData(new ImageData(data, width, height), 0, 0);
  return toBlob(canvas, 'image/jpeg');
}

function toBlob(canvas, type) {
  return canvas.convertToBlob({ type, quality: 0.9 });
}
