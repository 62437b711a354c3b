/** The tiles: the numbers of the moment, each with what it is made of. */

import { make, setAttribute, setText } from "../shared/dom.js";
import { count, duration, words } from "./format.js";

const of = (part, whole) => `${count(part)} / ${count(whole)}`;
const middle = (times) => duration(times?.p50);
const slow = (times) => (times ? `p50; p95 ${duration(times.p95)}` : "none in 5 min");
const total = (errors) => Object.values(errors).reduce((sum, number) => sum + number, 0);
const listed = (errors) =>
  Object.entries(errors)
    .sort(([, a], [, b]) => b - a)
    .map(([code, number]) => `${words(code)} ${number}`)
    .join(", ");
const away = (health) => Object.keys(health).filter((part) => health[part] !== "ok");
const NAMES = { database: "database", redis: "Redis", workers: "workers", vllm: "model server" };

/** `[id, title, value of now, small print of now, tone of now]` */
const TILES = [
  ["sessions", "Sessions", ({ sessions: s }) => of(s.live, s.limit), () => "live / limit", ({ sessions: s }) => (s.live >= s.limit ? "warn" : "")],
  ["streams", "Streams", ({ streams }) => count(streams), () => "connected"],
  ["active", "Answering", ({ questions }) => count(questions.active), () => "in flight"],
  ["waiting", "Queue", ({ questions: q }) => of(q.waiting, q.limit), () => "waiting / limit", ({ questions: q }) => (q.active + q.waiting >= q.limit ? "bad" : "")],
  ["rate", "Answers", ({ answers_per_minute: rate }) => count(rate), () => "a minute"],
  ["ttft", "First token", ({ ttft }) => middle(ttft), ({ ttft }) => slow(ttft)],
  ["total", "Whole answer", ({ total: times }) => middle(times), ({ total: times }) => slow(times)],
  ["errors", "Errors", ({ errors }) => count(total(errors)), ({ errors }) => listed(errors) || "none in 5 min", ({ errors }) => (total(errors) ? "warn" : "")],
  ["health", "Health", ({ health }) => (away(health).length ? "Trouble" : "All well"), ({ health }) => away(health).map((part) => `${NAMES[part]} down`).join(", ") || "every part is up", ({ health }) => (away(health).length ? "bad" : "good")],
];

export class Tiles {
  #parts = new Map();

  constructor(box) {
    for (const [id, title] of TILES) {
      const value = make("dd", { className: "tile-value skeleton", "data-testid": `now-${id}` }, "–");
      const small = make("dd", { className: "tile-small" }, " ");
      const tile = make("div", { className: "tile" }, make("dt", {}, title), value, small);
      this.#parts.set(id, { tile, value, small });
      box.append(tile);
    }
  }

  show(now) {
    for (const [id, , value, small, tone] of TILES) {
      const part = this.#parts.get(id);
      part.value.classList.remove("skeleton");
      setText(part.value, value(now));
      setText(part.small, small(now));
      setAttribute(part.tile, "data-tone", (tone?.(now) ?? "") || null);
    }
  }
}
