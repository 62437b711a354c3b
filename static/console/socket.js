/** The console's socket: it counts as live only while the server's snapshots of now keep coming. */

import { CloseCode } from "../shared/close-codes.js";
import { ReconnectingSocket } from "../shared/reconnecting-socket.js";

/** ms. The server sends a snapshot every second: `opening` and `silence` are six missed ones. */
const TIMING = { opening: 6000, silence: 6000, check: 1000, heartbeat: 10000 };

/** States: `live`, `lost` (next try planned), `signed-out`, `forbidden`. */
export class ConsoleSocket {
  #socket;
  #onState;

  /**
   * @param {object} parts
   * @param {(state: string) => void} parts.onState
   * @param {(message: object) => void} parts.onMessage all but `pong`
   */
  constructor({ onState, onMessage }) {
    this.#onState = onState;
    this.#socket = new ReconnectingSocket({
      endpoint: () => ({ url: `${location.protocol.replace("http", "ws")}//${location.host}/ws/console` }),
      timing: TIMING,
      readyType: "now",
      // A pong says that the web process is there, not that what is shown is fresh.
      provesLife: ({ type }) => type === "now",
      ping: () => ({ type: "ping" }),
      onReady: () => onState("live"),
      onMessage: (message) => message.type !== "pong" && onMessage(message),
      onClose: (code) => this.#closed(code),
    });
  }

  open() {
    this.#socket.open();
  }

  #closed(code) {
    if (code === CloseCode.NOT_AUTHENTICATED) return this.#onState("signed-out");
    if (code === CloseCode.FORBIDDEN) return this.#onState("forbidden");
    this.#onState("lost");
    return this.#socket.retry();
  }
}
