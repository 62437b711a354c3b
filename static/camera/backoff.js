/** Growing pauses between tries: 0.5 s, 1 s, 2 s … 8 s, each by chance up to a third shorter. */
export class Backoff {
  #tries = 0;

  constructor({ first = 500, most = 8000, random = Math.random } = {}) {
    this.first = first;
    this.most = most;
    this.random = random;
  }

  /** The next pause in ms. */
  next() {
    const full = Math.min(this.most, this.first * 2 ** this.#tries);
    this.#tries += 1;
    return Math.round(full * (1 - this.random() / 3));
  }

  reset() {
    this.#tries = 0;
  }
}
