/** The chat sheet's height on a phone: a peek, half of the screen, or nearly all of it. */

const SWIPE = 24;

export class Sheet {
  #screen;
  #grip;
  #from = null;
  #swiped = false;

  constructor({ screen, grip }) {
    this.#screen = screen;
    this.#grip = grip;
    grip.addEventListener("click", () => this.#press());
    grip.addEventListener("pointerdown", (event) => this.#take(event));
    grip.addEventListener("pointermove", (event) => this.#drag(event));
    window.visualViewport?.addEventListener("resize", () => this.#fit());
    this.#fit();
  }

  /** There is something to read. */
  rise() {
    if (this.#size === "peek") this.#become("half");
  }

  get #size() {
    return this.#screen.dataset.sheet;
  }

  #become(size) {
    this.#screen.dataset.sheet = size;
    this.#grip.setAttribute("aria-expanded", String(size === "full"));
  }

  /** The click that ends a swipe is no press. */
  #press() {
    if (!this.#swiped) this.#become(this.#size === "full" ? "half" : "full");
    this.#swiped = false;
  }

  #take(event) {
    this.#from = event.clientY;
    this.#swiped = false;
    this.#grip.setPointerCapture(event.pointerId);
  }

  #drag(event) {
    if (this.#from === null) return;
    const way = event.clientY - this.#from;
    if (Math.abs(way) < SWIPE) return;
    this.#from = null;
    this.#swiped = true;
    this.#become(way < 0 ? "full" : "half");
  }

  /** The part of the page that an on-screen keyboard leaves. */
  #fit() {
    const { height, scale } = window.visualViewport ?? { height: innerHeight, scale: 1 };
    if (scale > 1) return;
    this.#screen.style.setProperty("--visible-height", `${Math.round(height)}px`);
    window.scrollTo(0, 0);
  }
}
