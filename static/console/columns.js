/** The columns of the sessions table: what a cell says and what a column sorts by. Pure. */

import { ago, count, when, words } from "./format.js";

const REASONS = {
  user: "by its user",
  idle: "idle",
  replaced: "replaced",
  operator: "by an operator",
  signed_out: "by signing out",
};

const size = (stream) => (stream?.width ? `${stream.width}×${stream.height}` : "");
const STREAM_WORDS = { connecting: "connecting", stalled: "stalled", closed: "" };

function streamText({ stream, ended_at: ended }) {
  if (ended || !stream) return "–";
  if (stream.error) return words(stream.error);
  const parts = [size(stream), STREAM_WORDS[stream.state] ?? ""].filter(Boolean);
  return parts.join(" · ") || "–";
}

function streamTone({ stream, ended_at: ended }) {
  if (ended || !stream) return "";
  if (stream.error) return "bad";
  return stream.state === "connected" ? "good" : "warn";
}

function state(row, now) {
  if (!row.ended_at) return `${row.away ? "page closed" : "idle"} ${ago(row.last_active_at, now)}`;
  return `ended ${REASONS[row.end_reason] ?? row.end_reason}`;
}

/**
 * @typedef {object} Column
 * @property {string} id
 * @property {string} title
 * @property {(row: object, now: number) => string} text
 * @property {(row: object) => string|number|null} by what it sorts by; null sorts last
 * @property {boolean} [number]
 * @property {(row: object) => string} [tone]
 * @property {(row: object) => string} [hint]
 */

/** @type {Column[]} */
export const COLUMNS = [
  { id: "user", title: "User", text: (row) => row.user ?? "anonymous", by: (row) => row.user },
  { id: "started", title: "Started", text: (row, now) => when(row.started_at, now), by: (row) => row.started_at },
  {
    id: "idle",
    title: "State",
    text: state,
    by: (row) => -(row.ended_at ?? row.last_active_at + 1e14),
    hint: (row) => (row.end_note ? `Note: ${row.end_note}` : ""),
  },
  { id: "stream", title: "Stream", text: streamText, by: (row) => (row.stream?.width ? row.stream.width * row.stream.height : null), tone: streamTone },
  { id: "fps", title: "fps", text: ({ stream }) => (stream?.fps ? stream.fps.toFixed(1) : "–"), by: ({ stream }) => stream?.fps || null, number: true },
  { id: "frames", title: "Frames", text: ({ stream }) => count(stream?.frames_in), by: ({ stream }) => stream?.frames_in ?? null, number: true },
  { id: "dropped", title: "Dropped", text: ({ stream }) => count(stream?.frames_dropped), by: ({ stream }) => stream?.frames_dropped ?? null, number: true },
  { id: "questions", title: "Questions", text: (row) => count(row.questions), by: (row) => row.questions, number: true },
  { id: "error", title: "Last error", text: (row) => (row.last_error ? words(row.last_error) : "–"), by: (row) => row.last_error, tone: (row) => (row.last_error ? "warn" : "") },
  { id: "address", title: "Address", text: (row) => row.address ?? "–", by: (row) => row.address },
];

/** Whether a row belongs to what is shown. */
export function matches(row, { show, filter }) {
  if (show === "live" && row.ended_at) return false;
  if (show === "ended" && !row.ended_at) return false;
  if (!filter) return true;
  return [row.user ?? "anonymous", row.address, row.id].some((text) => text?.toLowerCase().includes(filter));
}

/** Compare two rows by a column; rows without a value come last either way. */
export function order(column, descending) {
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const [x, y] = [column.by(a), column.by(b)];
    if (x === y) return b.started_at - a.started_at || (a.id < b.id ? -1 : 1);
    if (x === null) return 1;
    if (y === null) return -1;
    return (x < y ? -1 : 1) * sign;
  };
}
