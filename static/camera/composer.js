/** The field a question is typed in, and the suggestions beside it. */

/** Of the field, px; as the style sheet's limit where the browser lets a field grow by itself. */
const MAX_HEIGHT = 136;

export class Composer {
  #form;
  #field;
  #send;
  #cancel;
  #running = false;

  /**
   * @param {object} parts elements `form`, `field`, `send`, `cancel`, `suggestions`; `onAsk(text)`;
   *   `onCancel()`; `onActivity()` when a question may be on its way: the field or a suggestion has
   *   the focus, the pointer is at a suggestion, or the text changes.
   */
  constructor({ form, field, send, cancel, suggestions, onAsk, onCancel, onActivity }) {
    this.#form = form;
    this.#field = field;
    this.#send = send;
    this.#cancel = cancel;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(onAsk);
    });
    field.addEventListener("keydown", (event) => this.#key(event));
    field.addEventListener("input", () => this.#changed());
    for (const kind of ["focus", "input"]) field.addEventListener(kind, () => onActivity());
    for (const suggestion of suggestions) {
      suggestion.addEventListener("click", () => onAsk(suggestion.dataset.question));
      for (const kind of ["pointerover", "pointerdown", "focus"]) {
        suggestion.addEventListener(kind, () => onActivity());
      }
    }
    cancel.addEventListener("click", () => onCancel());
    this.#changed();
  }

  clear() {
    this.#field.value = "";
    this.running = false;
    this.#changed();
  }

  limit(characters) {
    if (characters > 0) this.#field.maxLength = characters;
  }

  /** Whether a question is open that can be stopped. */
  set running(running) {
    if (running === this.#running) return;
    this.#running = running;
    this.#changed();
  }

  #submit(onAsk) {
    const text = this.#field.value.trim();
    if (!text) return this.#field.focus();
    this.#field.value = "";
    this.#changed();
    if (matchMedia("(pointer: coarse)").matches) this.#field.blur();
    else this.#field.focus();
    return onAsk(text);
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  /** With nothing typed, the place of "send" is "stop" while an answer comes. */
  #changed() {
    const stop = this.#running && !this.#field.value.trim();
    const focused = [this.#send, this.#cancel].includes(document.activeElement);
    this.#cancel.hidden = !stop;
    this.#send.hidden = stop;
    if (focused) (stop ? this.#cancel : this.#send).focus();
    if (!CSS.supports("field-sizing", "content")) this.#grow();
  }

  #grow() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${Math.min(MAX_HEIGHT, this.#field.scrollHeight + 2)}px`;
  }
}
