/** The chat's bottom sheet on a phone: a peek, half of the screen, or nearly all of it. */

/** A drag of the grip that is shorter than this is a press, px. */
const SWIPE = 24;

export class BottomSheet {
  #screen;
  #grip;
  #dragStart = null;
  #swiped = false;

  constructor({ screen, grip }) {
    this.#screen = screen;
    this.#grip = grip;
    grip.addEventListener("click", () => this.#press());
    grip.addEventListener("pointerdown", (event) => this.#startDrag(event));
    grip.addEventListener("pointermove", (event) => this.#drag(event));
    window.visualViewport?.addEventListener("resize", () => this.#fit());
    this.#fit();
  }

  /** There is something to read: show more than a peek. */
  expand() {
    if (this.#size === "peek") this.#resize("half");
  }

  get #size() {
    return this.#screen.dataset.sheet;
  }

  #resize(size) {
    this.#screen.dataset.sheet = size;
    this.#grip.setAttribute("aria-expanded", String(size === "full"));
  }

  /** The click that ends a swipe is no press. */
  #press() {
    if (!this.#swiped) this.#resize(this.#size === "full" ? "half" : "full");
    this.#swiped = false;
  }

  #startDrag(event) {
    this.#dragStart = event.clientY;
    this.#swiped = false;
    this.#grip.setPointerCapture(event.pointerId);
  }

  #drag(event) {
    if (this.#dragStart === null) return;
    const distance = event.clientY - this.#dragStart;
    if (Math.abs(distance) < SWIPE) return;
    this.#dragStart = null;
    this.#swiped = true;
    this.#resize(distance < 0 ? "full" : "half");
  }

  /** Fit into the part of the page that an on-screen keyboard leaves; zooming in is no keyboard. */
  #fit() {
    const { height, scale } = window.visualViewport ?? { height: innerHeight, scale: 1 };
    if (scale > 1) return;
    this.#screen.style.setProperty("--visible-height", `${Math.round(height)}px`);
    window.scrollTo(0, 0);
  }
}
