/** Durations in words short enough for a line under an answer. Pure. */

export function formatSeconds(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
}

/** Ages stay in milliseconds for longer: there a tenth of a second matters. */
export function formatAge(milliseconds) {
  const age = Math.max(0, Math.round(milliseconds));
  return age < 10000 ? `${age} ms` : formatSeconds(age / 1000);
}
