/** Durations in words short enough for a line under an answer. Pure. */

export function seconds(value) {
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  return `${value.toFixed(value < 10 ? 1 : 0)} s`;
}

export function milliseconds(value) {
  return seconds(Math.max(0, value) / 1000);
}
