/** The console's socket: reconnects by itself; only fresh figures make it live. */

import { Backoff } from "../camera/backoff.js";

const BEAT = 10000;
const SILENCE = 6000;
const SIGNED_OUT = 4401;
const FORBIDDEN = 4403;

/** States: `connecting`, `live`, `lost` (next try planned), `signed-out`, `forbidden`. */
export class Feed {
  #onState;
  #onMessage;
  #socket = null;
  #backoff = new Backoff();
  #newsAt = 0;
  #live = false;

  /**
   * @param {object} parts
   * @param {(state: string) => void} parts.onState
   * @param {(message: object) => void} parts.onMessage
   */
  constructor({ onState, onMessage }) {
    this.#onState = onState;
    this.#onMessage = onMessage;
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/console`);
    this.#socket = socket;
    this.#newsAt = Date.now();
    this.#live = false;
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => this.#lost(event.code);
    const beat = setInterval(() => {
      if (socket !== this.#socket) clearInterval(beat);
      else if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
    }, BEAT);
    const watch = setInterval(() => {
      if (socket !== this.#socket) clearInterval(watch);
      else if (Date.now() - this.#newsAt > SILENCE) this.#lost(0);
    }, 1000);
  }

  #hear(message) {
    if (message.type === "now") {
      this.#newsAt = Date.now();
      this.#backoff.reset();
      if (!this.#live) this.#onState("live");
      this.#live = true;
    }
    if (message.type !== "pong") this.#onMessage(message);
  }

  #lost(code) {
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
    if (code === SIGNED_OUT) return this.#onState("signed-out");
    if (code === FORBIDDEN) return this.#onState("forbidden");
    this.#onState("lost");
    setTimeout(() => this.open(), this.#backoff.next());
    return undefined;
  }
}
