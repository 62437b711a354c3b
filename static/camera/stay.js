/** Staying on one picture: while it is on, further questions are about the first one's picture. */

export class Stay {
  #button;
  #kept = "";
  #seconds = 1;

  /** @param {{button: HTMLElement}} parts the switch. */
  constructor({ button }) {
    this.#button = button;
    this.on = false;
    button.addEventListener("click", () => this.switch(!this.on));
  }

  switch(on) {
    this.on = on;
    this.#kept = "";
    this.#button.setAttribute("aria-pressed", String(on));
  }

  /** Say in how many seconds a picture is forgotten. */
  tell(seconds) {
    if (!(seconds > 0)) return;
    this.#seconds = seconds;
    this.#button.title =
      "Stay on one picture: it is kept for " +
      `${seconds} seconds after each answer, so that you can ask more about it`;
  }

  /** What the next question says about its picture. */
  get wish() {
    if (!this.on) return {};
    return { keepSeconds: this.#seconds, frame: this.#kept || null };
  }

  /** A question has ended: its picture is the one to stay on, or is gone. */
  ended({ id, state, error, keepSeconds }) {
    if (!this.on || !keepSeconds) return;
    if (state === "done") this.#kept = id;
    else if (error?.code === "frame_gone") this.#kept = "";
  }
}
