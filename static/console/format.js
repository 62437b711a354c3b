/** Numbers and moments as people read them. Pure. */

const NONE = "–";

export function count(number) {
  return number === null || number === undefined ? NONE : Math.round(number).toLocaleString("en");
}

/** A duration in seconds. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
}

/** How long ago a moment (ms) was. */
export function ago(moment, now) {
  const seconds = Math.max(0, Math.floor((now - moment) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d`;
}

const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });

export function clock(moment) {
  return CLOCK.format(moment);
}

/** The time, with the day unless it is today. */
export function when(moment, now) {
  if (new Date(moment).toDateString() === new Date(now).toDateString()) return clock(moment);
  return `${DAY.format(moment)}, ${clock(moment)}`;
}

export function share(fraction) {
  return fraction === null || fraction === undefined ? NONE : `${Math.round(fraction * 100)} %`;
}

export function gigabytes(bytes) {
  return bytes === null || bytes === undefined ? NONE : `${(bytes / 1e9).toFixed(bytes < 1e10 ? 1 : 0)} GB`;
}

export function unit(number, name) {
  return number === null || number === undefined ? NONE : `${Math.round(number)} ${name}`;
}

/** `frame_too_large` → "frame too large". */
export function words(code) {
  return code.replaceAll("_", " ");
}
