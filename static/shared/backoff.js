/** Pauses between retries: 0.5 s, 1 s, 2 s … 8 s, each up to a third shorter by chance. */

const FIRST = 500;
const LONGEST = 8000;

export class Backoff {
  #retries = 0;

  /** The next pause in ms. */
  next() {
    const full = Math.min(LONGEST, FIRST * 2 ** this.#retries);
    this.#retries += 1;
    // Jitter: after a restart of the server its clients don't all come back at the same instant.
    return Math.round(full * (1 - Math.random() / 3));
  }

  reset() {
    this.#retries = 0;
  }
}
