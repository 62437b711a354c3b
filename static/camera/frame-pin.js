/** Pinning a picture: while it is on, further questions are about the first one's picture. */

export class FramePin {
  #button;
  /** The question whose picture is pinned; empty until one has been answered. */
  #questionId = "";
  #keepSeconds = 1;
  #on = false;

  /** @param {{button: HTMLElement}} parts the switch. */
  constructor({ button }) {
    this.#button = button;
    button.addEventListener("click", () => this.#switch(!this.#on));
  }

  release() {
    this.#switch(false);
  }

  /** @param {number} seconds after which the server forgets a picture. */
  setKeepSeconds(seconds) {
    if (!(seconds > 0)) return;
    this.#keepSeconds = seconds;
    this.#button.title =
      "Stay on one picture: it is kept for " +
      `${seconds} seconds after each answer, so that you can ask more about it`;
  }

  /** What the next question says about its picture: options of `Questions.ask`. */
  get frameOptions() {
    if (!this.#on) return {};
    return { keepSeconds: this.#keepSeconds, frame: this.#questionId || null };
  }

  /** A question has ended: its picture is pinned, or is gone. */
  questionEnded({ id, state, error, keepSeconds }) {
    if (!this.#on || !keepSeconds) return;
    if (state === "done") this.#questionId = id;
    else if (error?.code === "frame_gone") this.#questionId = "";
  }

  #switch(on) {
    this.#on = on;
    this.#questionId = "";
    this.#button.setAttribute("aria-pressed", String(on));
  }
}
