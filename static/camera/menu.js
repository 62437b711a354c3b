/** The menu in the page's head: it closes by Escape and by a press beside it. */

import { setMessage } from "../shared/dom.js";

export class Menu {
  #box;
  #endSession;
  #error;

  /** @param {object} parts elements `box`, `endSession`, `error`; `onEndSession()`. */
  constructor({ box, endSession, error, onEndSession }) {
    this.#box = box;
    this.#endSession = endSession;
    this.#error = error;
    endSession.addEventListener("click", () => onEndSession());
    document.addEventListener("click", (event) => {
      if (!box.contains(event.target)) box.open = false;
    });
  }

  /** Whether there is a session to end. */
  set sessionOpen(open) {
    this.#endSession.disabled = !open;
  }

  /** Say why ending the session failed, and stay open for a retry; or close, when it did not. */
  showEndFailure(detail) {
    setMessage(this.#error, detail);
    this.#box.open = Boolean(detail);
  }

  /** @returns {boolean} whether it was open. */
  close() {
    const open = this.#box.open;
    this.#box.open = false;
    return open;
  }
}
