/** The list of questions and answers. */

import { element } from "./elements.js";
import { milliseconds, seconds } from "./figures.js";

/** Older turns leave the page. */
const MOST_TURNS = 100;
/** Closer to the end than this counts as reading the newest, px. */
const NEAR_END = 48;

const GENTLE = new Set([
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
  constructor({ question, onAgain }) {
    this.question = question;
    this.text = document.createTextNode("");
    this.answer = element("div", { className: "answer", dataset: { testid: "answer" } }, this.text);
    this.foot = element("p", { className: "foot", dataset: { testid: "answer-meta" } });
    this.again = element("button", { type: "button", className: "button" }, "Try again");
    this.again.addEventListener("click", () => onAgain(question));
    this.problem = element("div", { className: "problem", hidden: true });
    this.node = element(
      "li",
      { className: "turn", dataset: { state: "waiting" } },
      element("p", { className: "asked" }, unseen("You asked: "), question.content),
      this.answer,
      this.problem,
      this.foot,
    );
  }

  /** @param {string} pause what an answer that has not begun waits for. */
  show(pause) {
    const { state, text, error } = this.question;
    this.node.dataset.state = state === "unsent" ? "waiting" : state;
    this.answer.dataset.state = this.node.dataset.state;
    if (text.startsWith(this.text.data)) this.text.appendData(text.slice(this.text.length));
    else this.text.data = text;
    if (state === "failed") this.#complain(error);
    else this.problem.hidden = true;
    this.foot.hidden = state === "failed";
    this.foot.replaceChildren(...this.#notes(pause));
  }

  #complain({ code, detail }) {
    this.problem.dataset.tone = GENTLE.has(code) ? "warn" : "bad";
    this.problem.replaceChildren(element("p", {}, detail), this.again);
    this.problem.hidden = false;
  }

  #notes(pause) {
    const { state, response } = this.question;
    if (state === "answering") return [note("Answering…")];
    if (state === "cancelled") return [note("Stopped")];
    if (state !== "done") return [note(pause)];
    const { ttft, inference_time: whole, frame } = response;
    const notes = [];
    if (ttft !== undefined) notes.push(note(`${seconds(ttft)} to first token`));
    const { frame: earlier, keepSeconds } = this.question;
    if (earlier) notes.push(note("same picture"));
    else if (frame) notes.push(note(`frame ${milliseconds(frame.age_ms)} old`));
    if (keepSeconds) notes.push(note(`picture kept for ${keepSeconds} s`));
    if (whole !== undefined) notes.push(note(`model ${seconds(whole)}`));
    return notes;
  }
}

function note(text) {
  return element("span", {}, text);
}

function unseen(text) {
  return element("span", { className: "unseen" }, text);
}

export class Conversation {
  #list;
  #scroller;
  #jump;
  #welcome;
  #announcer;
  #onAgain;
  #turns = new Map();
  #following = true;
  #top = 0;

  /**
   * @param {object} parts elements `list`, `scroller`, `jump`, `welcome`, `announcer`, and
   *   `onAgain(question)`.
   */
  constructor({ list, scroller, jump, welcome, announcer, onAgain }) {
    this.#list = list;
    this.#scroller = scroller;
    this.#jump = jump;
    this.#welcome = welcome;
    this.#announcer = announcer;
    this.#onAgain = onAgain;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    jump.addEventListener("click", () => this.follow());
    new ResizeObserver(() => this.#keepUp()).observe(scroller);
    new ResizeObserver(() => this.#keepUp()).observe(list);
  }

  add(question, pause) {
    const turn = new Turn({ question, onAgain: this.#onAgain });
    this.#turns.set(question, turn);
    this.#welcome.hidden = true;
    this.#list.append(turn.node);
    this.show(question, pause);
    this.#forgetOld();
    this.follow();
  }

  show(question, pause) {
    this.#turns.get(question)?.show(pause);
  }

  /** As before the first question. */
  clear() {
    this.#turns.clear();
    this.#list.replaceChildren();
    this.#announcer.textContent = "";
    this.#welcome.hidden = false;
    this.follow();
  }

  /** Tell a screen reader how a question ended. */
  announce({ state, text, error }) {
    this.#announcer.textContent = state === "failed" ? error.detail : text || "Stopped.";
  }

  /** Show the newest, and keep doing so as it grows. */
  follow() {
    this.#following = true;
    this.#keepUp();
  }

  #keepUp() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#jump.hidden = this.#following || this.#turns.size === 0;
  }

  /** Only a scroll upwards leaves the newest: an answer may grow faster than events come. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (scrollHeight - scrollTop - clientHeight < NEAR_END) this.#following = true;
    else if (scrollTop < this.#top) this.#following = false;
    this.#top = scrollTop;
    this.#keepUp();
  }

  #forgetOld() {
    const [oldest] = this.#turns;
    if (this.#turns.size <= MOST_TURNS) return;
    oldest[1].node.remove();
    this.#turns.delete(oldest[0]);
  }
}
