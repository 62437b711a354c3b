/** The list of questions and answers. */

import { make } from "../shared/dom.js";
import { formatAge, formatSeconds } from "./durations.js";

/** Older turns leave the page: a session of hours would fill a phone's memory. */
const MAX_TURNS = 100;
/** Closer to the end than this counts as reading the newest, px. */
const NEAR_END = 48;

/** Errors that pass or that the person can mend; shown as warnings. */
const WARNINGS = new Set([
  "busy",
  "rate_limited",
  "no_stream",
  "no_frame",
  "stream_stalled",
  "nsfw_refused",
  "frame_gone",
]);

/** One question with its answer. */
class Turn {
  constructor({ question, onRetry }) {
    this.question = question;
    this.text = document.createTextNode("");
    this.answer = make("div", { className: "answer", "data-testid": "answer" }, this.text);
    this.foot = make("p", { className: "foot", "data-testid": "answer-meta" });
    this.retryButton = make("button", { type: "button", className: "button" }, "Try again");
    this.retryButton.addEventListener("click", () => onRetry(question));
    this.errorBox = make("div", { className: "problem", hidden: true });
    this.node = make(
      "li",
      { className: "turn", "data-state": "waiting" },
      make("p", { className: "asked" }, unseen("You asked: "), question.content),
      this.answer,
      this.errorBox,
      this.foot,
    );
  }

  /** @param {string} waitingFor what an answer that has not begun waits for. */
  show(waitingFor) {
    const { state, text, error } = this.question;
    this.node.dataset.state = state === "unsent" ? "waiting" : state;
    this.answer.dataset.state = this.node.dataset.state;
    if (text.startsWith(this.text.data)) this.text.appendData(text.slice(this.text.length));
    else this.text.data = text;
    if (state === "failed") this.#showError(error);
    else this.errorBox.hidden = true;
    this.foot.hidden = state === "failed";
    this.foot.replaceChildren(...this.#notes(waitingFor));
  }

  #showError({ code, detail }) {
    this.errorBox.dataset.tone = WARNINGS.has(code) ? "warn" : "bad";
    this.errorBox.replaceChildren(make("p", {}, detail), this.retryButton);
    this.errorBox.hidden = false;
  }

  #notes(waitingFor) {
    const { state, response } = this.question;
    if (state === "answering") return [note("Answering…")];
    if (state === "cancelled") return [note("Stopped")];
    if (state !== "done") return [note(waitingFor)];
    const { ttft, inference_time: total, frame } = response;
    const notes = [];
    if (ttft !== undefined) notes.push(note(`${formatSeconds(ttft)} to first token`));
    const { frame: pinned, keepSeconds } = this.question;
    if (pinned) notes.push(note("same picture"));
    else if (frame) notes.push(note(`frame ${formatAge(frame.age_ms)} old`));
    if (keepSeconds) notes.push(note(`picture kept for ${keepSeconds} s`));
    if (total !== undefined) notes.push(note(`model ${formatSeconds(total)}`));
    return notes;
  }
}

function note(text) {
  return make("span", {}, text);
}

function unseen(text) {
  return make("span", { className: "unseen" }, text);
}

export class Conversation {
  #list;
  #scroller;
  #jump;
  #welcome;
  #announcer;
  #onRetry;
  #turns = new Map();
  #following = true;
  #top = 0;

  /**
   * @param {object} parts elements `list`, `scroller`, `jump`, `welcome`, `announcer`, and
   *   `onRetry(question)`.
   */
  constructor({ list, scroller, jump, welcome, announcer, onRetry }) {
    this.#list = list;
    this.#scroller = scroller;
    this.#jump = jump;
    this.#welcome = welcome;
    this.#announcer = announcer;
    this.#onRetry = onRetry;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    jump.addEventListener("click", () => this.#follow());
    new ResizeObserver(() => this.#scroll()).observe(scroller);
    new ResizeObserver(() => this.#scroll()).observe(list);
  }

  add(question, waitingFor) {
    const turn = new Turn({ question, onRetry: this.#onRetry });
    this.#turns.set(question, turn);
    this.#welcome.hidden = true;
    this.#list.append(turn.node);
    this.show(question, waitingFor);
    this.#removeOldest();
    this.#follow();
  }

  show(question, waitingFor) {
    this.#turns.get(question)?.show(waitingFor);
  }

  /** As before the first question. */
  clear() {
    this.#turns.clear();
    this.#list.replaceChildren();
    this.#announcer.textContent = "";
    this.#welcome.hidden = false;
    this.#follow();
  }

  /** Have a screen reader say how a question ended. */
  announce({ state, text, error }) {
    this.#announcer.textContent = state === "failed" ? error.detail : text || "Stopped.";
  }

  /** Show the newest, and keep doing so as it grows. */
  #follow() {
    this.#following = true;
    this.#scroll();
  }

  #scroll() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#jump.hidden = this.#following || this.#turns.size === 0;
  }

  /** Only a scroll upwards leaves the newest: an answer may grow faster than events come. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (scrollHeight - scrollTop - clientHeight < NEAR_END) this.#following = true;
    else if (scrollTop < this.#top) this.#following = false;
    this.#top = scrollTop;
    this.#scroll();
  }

  #removeOldest() {
    const [oldest] = this.#turns;
    if (this.#turns.size <= MAX_TURNS) return;
    oldest[1].node.remove();
    this.#turns.delete(oldest[0]);
  }
}
