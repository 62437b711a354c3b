/** Durations in words short enough for a line under an answer. Pure. */

export function seconds(value) {
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  return `${value.toFixed(value < 10 ? 1 : 0)} s`;
}

/** Ages stay in milliseconds for longer: there a tenth of a second matters. */
export function milliseconds(value) {
  const age = Math.max(0, Math.round(value));
  return age < 10000 ? `${age} ms` : seconds(age / 1000);
}
