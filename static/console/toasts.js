/** Toasts: short messages that go by themselves. */

import { make } from "../shared/dom.js";

const SECONDS = 6;

export class Toasts {
  #box;

  constructor(box) {
    this.#box = box;
  }

  /** @param {"good"|"bad"} tone */
  show(text, tone = "good") {
    const toast = make("p", { className: `toast ${tone}`, "data-testid": "toast" }, text);
    this.#box.append(toast);
    setTimeout(() => toast.remove(), SECONDS * 1000);
  }
}
