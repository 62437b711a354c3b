/** The field a question is typed in. */

const TALLEST = 136;

export class Composer {
  #form;
  #field;
  #send;
  #cancel;
  #running = false;

  /**
   * @param {object} parts elements `form`, `field`, `send`, `cancel`; `onAsk(text)`; `onCancel()`;
   *   `onStir()` when a question may be on its way: the field has the focus, or its text changes.
   */
  constructor({ form, field, send, cancel, onAsk, onCancel, onStir }) {
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
    for (const kind of ["focus", "input"]) field.addEventListener(kind, () => onStir());
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

  /** Whether an answer is under way that can be stopped. */
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
    this.#field.style.height = `${Math.min(TALLEST, this.#field.scrollHeight + 2)}px`;
  }
}
