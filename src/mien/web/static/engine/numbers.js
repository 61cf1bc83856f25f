// Rounding as Python and OpenCV do it, so that both modes give the same boxes.

// Where numbers of 64 bits have no digits behind the point: what is added to this is rounded by the processor.
const WHOLE_FROM = 1.5 * 2 ** 52;

/** Round to the nearest whole number, halves to the even one; for values below 2^51. */
export function roundHalfEven(value) {
  return value + WHOLE_FROM - WHOLE_FROM;
}

/** Round to some decimals. */
export function roundTo(value, decimals) {
  const factor = 10 ** decimals;
  return roundHalfEven(value * factor) / factor;
}

/** Softmax of some of a list's entries, without overflow; the divisor is the model's temperature. */
export function softmax(logits, divisor) {
  const scaled = Array.from(logits, (logit) => logit / divisor);
  const largest = Math.max(...scaled);
  const powers = scaled.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
