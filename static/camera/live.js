/** Live mode: one standing question, answered over and over in words over the picture. */

import { milliseconds, seconds } from "./figures.js";

/** A changed question is sent when typing has paused this long, ms. */
const TYPING_PAUSE = 700;

export class LiveMode {
  #parts;
  #send;
  #onWanted;
  #timer = 0;
  #sent = "";

  /**
   * @param {object} parts elements `screen`, `toggle`, `bar`, `prompt`, `box`, `text`, `meta`;
   *   `send(message)`; `onWanted()` when it was switched on.
   */
  constructor({ send, onWanted, ...parts }) {
    this.#parts = parts;
    this.#send = send;
    this.#onWanted = onWanted;
    this.on = false;
    parts.toggle.addEventListener("click", () => this.switch(!this.on));
    parts.prompt.addEventListener("input", () => this.#edited());
    parts.prompt.addEventListener("change", () => this.#settle());
    parts.prompt.addEventListener("keydown", (event) => this.#key(event));
  }

  switch(on) {
    const { screen, toggle, bar, box } = this.#parts;
    this.on = on;
    toggle.setAttribute("aria-checked", String(on));
    screen.dataset.live = on ? "on" : "off";
    bar.hidden = !on;
    box.hidden = !on;
    clearTimeout(this.#timer);
    this.#sent = "";
    if (on) this.#begin();
    else this.#send({ type: "live_stop" });
  }

  /** Off, and nothing left of what was asked and answered. */
  clear() {
    if (this.on) this.switch(false);
    this.#parts.prompt.value = this.#parts.prompt.defaultValue;
    this.#parts.text.textContent = "";
    this.#note("");
  }

  /** Ask, or ask anew if the words have changed. */
  ask() {
    clearTimeout(this.#timer);
    const prompt = this.#parts.prompt.value.trim();
    if (!this.on || !prompt || prompt === this.#sent) return;
    if (this.#send({ type: "live", prompt })) this.#sent = prompt;
  }

  /** A new socket or stream knows nothing of the question. */
  askAgain() {
    this.#sent = "";
    this.ask();
  }

  show({ text, inference_time: took, frame, unchanged = false }) {
    if (!this.on) return;
    const notes = [`frame ${milliseconds(frame?.age_ms ?? 0)} old`];
    if (unchanged) {
      notes.unshift("No change");
    } else {
      this.#parts.text.textContent = text;
      if (took !== undefined) notes.push(`model ${seconds(took)}`);
    }
    this.#parts.box.dataset.state = unchanged ? "unchanged" : "new";
    this.#note(notes.join(" · "));
  }

  fail(detail) {
    if (this.on) this.#note(detail);
  }

  #begin() {
    this.#parts.text.textContent = "";
    this.#parts.box.dataset.state = "new";
    this.#note("Waiting for the first answer…");
    this.#onWanted();
    this.ask();
  }

  /** Done with the field: ask, or show again what is asked when nothing is left in it. */
  #settle() {
    const { prompt } = this.#parts;
    if (this.on && !prompt.value.trim()) prompt.value = this.#sent;
    this.ask();
  }

  #edited() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.ask(), TYPING_PAUSE);
  }

  #key(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    this.#settle();
  }

  #note(text) {
    this.#parts.meta.textContent = text;
    this.#parts.meta.title = text;
  }
}
