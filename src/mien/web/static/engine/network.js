// A network that the worker of networks.js runs.

export class Network {
  /**
   * @param {object} worker asked for what networks.js can do.
   * @param {Uint8Array} model the bytes of an ONNX file.
   */
  static async load(worker, model) {
    const { number, outputNames } = await worker.ask('load', { model });
    return new Network(worker, number, outputNames);
  }

  constructor(worker, number, outputNames) {
    this.worker = worker;
    this.number = number;
    this.outputNames = outputNames;
  }

  /**
   * Ask the network.
   *
   * @param {{[name: string]: {type: string, data: ArrayBufferView, dims: number[]}}} inputs whose memory is given away.
   * @param {string[]} outputNames what to compute.
   * @returns {Promise<{[name: string]: {data: ArrayBufferView, dims: number[]}}>}
   */
  run(inputs, outputNames = this.outputNames) {
    const memory = Object.values(inputs).map(({ data }) => data.buffer);
    return this.worker.ask('run', { number: this.number, inputs, outputNames }, memory);
  }
}
