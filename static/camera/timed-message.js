/** A message that goes away by itself. */

import { setMessage } from "../shared/dom.js";

/** Long enough to notice it over the picture and to read it, ms. */
const SHOWN_FOR = 15000;

export class TimedMessage {
  #element;
  #timer = 0;

  constructor(element) {
    this.#element = element;
  }

  /** @param {string} text empty: none. */
  show(text) {
    clearTimeout(this.#timer);
    setMessage(this.#element, text);
    if (text) this.#timer = setTimeout(() => this.show(""), SHOWN_FOR);
  }
}
