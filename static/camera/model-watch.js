/** Whether the model can answer: what its errors say, and its health while it is down. */

const ASK_EVERY = 5000;
const BUSY_FOR = 10000;

const DOWN = new Set(["model_unavailable", "worker_lost"]);

export class ModelWatch {
  #onChange;
  #timer = 0;

  /** @param {{onChange: (model: "ok"|"busy"|"down", detail: string) => void}} parts */
  constructor({ onChange }) {
    this.#onChange = onChange;
    this.state = "ok";
  }

  /** It just answered. */
  answered() {
    this.#become("ok", "");
  }

  queued(position) {
    if (position <= 1 || this.state === "down") return;
    this.#become("busy", ahead(position));
  }

  failed({ error, detail }) {
    if (DOWN.has(error)) this.#become("down", detail);
    else if (error === "busy") this.#become("busy", detail);
  }

  #become(state, detail) {
    clearTimeout(this.#timer);
    if (state === "down") this.#timer = setTimeout(() => this.#ask(detail), ASK_EVERY);
    if (state === "busy") this.#timer = setTimeout(() => this.answered(), BUSY_FOR);
    if (state === "ok" && this.state === "ok") return;
    this.state = state;
    this.#onChange(state, detail);
  }

  async #ask(detail) {
    const health = await fetch("/health", { cache: "no-store" })
      .then((response) => response.json())
      .catch(() => null);
    if (this.state !== "down") return;
    const { vllm, workers } = health?.checks ?? {};
    const well = [vllm, workers].every((check) => check?.status === "ok");
    this.#become(well ? "ok" : "down", detail);
  }
}

/** Position 1 is next. */
export function ahead(position) {
  const others = position - 1;
  return others === 1 ? "1 question is ahead of yours." : `${others} questions are ahead of yours.`;
}
