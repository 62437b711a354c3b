/** Whether the model can answer: what its errors say, and its health while it is down. */

/** While the model is down its health is polled this often, ms. */
const POLL_INTERVAL = 5000;
/** No message says that a queue has gone: it counts as gone when none has named it for so long, ms. */
const BUSY_FOR = 10000;

const DOWN = new Set(["model_unavailable", "worker_lost"]);

export class ModelHealth {
  #onChange;
  #timer = 0;
  #state = "ok";

  /** @param {{onChange: (model: "ok"|"busy"|"down", detail: string) => void}} parts */
  constructor({ onChange }) {
    this.#onChange = onChange;
  }

  /** Take note of a message about a question or live mode. */
  observe(message) {
    if (message.type === "queued") this.#queued(message.position);
    else if (message.type === "error") this.#failed(message);
    else this.#become("ok", "");
  }

  #queued(position) {
    if (position <= 1 || this.#state === "down") return;
    this.#become("busy", describeQueue(position));
  }

  #failed({ error, detail }) {
    if (DOWN.has(error)) this.#become("down", detail);
    else if (error === "busy") this.#become("busy", detail);
  }

  #become(state, detail) {
    clearTimeout(this.#timer);
    if (state === "down") this.#timer = setTimeout(() => this.#poll(detail), POLL_INTERVAL);
    if (state === "busy") this.#timer = setTimeout(() => this.#become("ok", ""), BUSY_FOR);
    if (state === "ok" && this.#state === "ok") return;
    this.#state = state;
    this.#onChange(state, detail);
  }

  async #poll(detail) {
    const health = await fetch("/health", { cache: "no-store" })
      .then((response) => response.json())
      .catch(() => null);
    // An answer may have come meanwhile.
    if (this.#state !== "down") return;
    const { vllm, workers } = health?.checks ?? {};
    const well = [vllm, workers].every((check) => check?.status === "ok");
    this.#become(well ? "ok" : "down", detail);
  }
}

/** @param {number} position in the queue; 1 is next. */
export function describeQueue(position) {
  const others = position - 1;
  return others === 1 ? "1 question is ahead of yours." : `${others} questions are ahead of yours.`;
}
