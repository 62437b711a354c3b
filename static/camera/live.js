/** Live mode: one standing question, answered over and over in words over the picture. */

import { formatAge, formatSeconds } from "./durations.js";

/** A changed question is sent when typing has paused this long, ms: each one costs an answer. */
const DEBOUNCE = 700;

export class LiveMode {
  #parts;
  #send;
  #onSwitch;
  #timer = 0;
  #sent = "";

  /**
   * @param {object} parts elements `screen`, `toggle`, `bar`, `prompt`, `box`, `text`, `meta`;
   *   `send(message)`; `onSwitch()` when it is switched on or off.
   */
  constructor({ send, onSwitch, ...parts }) {
    this.#parts = parts;
    this.#send = send;
    this.#onSwitch = onSwitch;
    this.on = false;
    parts.toggle.addEventListener("click", () => this.switch(!this.on));
    parts.prompt.addEventListener("input", () => this.#edited());
    parts.prompt.addEventListener("change", () => this.#commit());
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
    if (on) this.#showWaiting();
    else this.#send({ type: "live_stop" });
    this.#onSwitch();
    this.#ask();
  }

  /** Off, and nothing left of what was asked and answered. */
  clear() {
    if (this.on) this.switch(false);
    this.#parts.prompt.value = this.#parts.prompt.defaultValue;
    this.#parts.text.textContent = "";
    this.#note("");
  }

  /** Ask, or ask anew if the words have changed. */
  #ask() {
    clearTimeout(this.#timer);
    const prompt = this.#parts.prompt.value.trim();
    if (!this.on || !prompt || prompt === this.#sent) return;
    if (this.#send({ type: "live", prompt })) this.#sent = prompt;
  }

  /** A new socket or stream knows nothing of the question. */
  restart() {
    this.#sent = "";
    this.#ask();
  }

  show({ text, inference_time: total, frame, unchanged = false }) {
    if (!this.on) return;
    const notes = [`frame ${formatAge(frame?.age_ms ?? 0)} old`];
    if (unchanged) {
      notes.unshift("No change");
    } else {
      this.#parts.text.textContent = text;
      if (total !== undefined) notes.push(`model ${formatSeconds(total)}`);
    }
    this.#parts.box.dataset.state = unchanged ? "unchanged" : "new";
    this.#note(notes.join(" · "));
  }

  fail(detail) {
    if (this.on) this.#note(detail);
  }

  #showWaiting() {
    this.#parts.text.textContent = "";
    this.#parts.box.dataset.state = "new";
    this.#note("Waiting for the first answer…");
  }

  /** The field is left: ask, or restore what is asked when nothing is left in it. */
  #commit() {
    const { prompt } = this.#parts;
    if (this.on && !prompt.value.trim()) prompt.value = this.#sent;
    this.#ask();
  }

  #edited() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), DEBOUNCE);
  }

  #key(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    this.#commit();
  }

  #note(text) {
    this.#parts.meta.textContent = text;
    this.#parts.meta.title = text;
  }
}
