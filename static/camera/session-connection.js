/** The camera session and its socket: one is not kept without the other. */

import { CameraSession } from "./session.js";
import { ProtocolSocket } from "./socket.js";

export class SessionConnection {
  #session;
  #socket;

  /**
   * @param {object} parts
   * @param {object} parts.config as `readConfig` returns it.
   * @param {(state: object) => void} parts.onState as `ProtocolSocket` reports it.
   * @param {(message: object) => void} parts.onMessage
   */
  constructor({ config, onState, onMessage }) {
    this.#session = new CameraSession(config);
    this.#socket = new ProtocolSocket({
      credentials: (options) => this.#session.credentials(options),
      onState: (change) => {
        if (change.state === "ended") this.#session.forget();
        onState(change);
      },
      onMessage,
    });
  }

  /** Whether there is a session that can be ended. */
  get sessionOpen() {
    return this.#session.open;
  }

  get iceServers() {
    return this.#session.iceServers;
  }

  /** Connect, unless that is so or under way; to a new session if there is none. */
  open() {
    this.#socket.open();
  }

  /** @returns {boolean} whether the message went out. */
  send(message) {
    return this.#socket.send(message);
  }

  retryNow() {
    this.#socket.retryNow();
  }

  /**
   * End the session on the server.
   *
   * @returns {Promise<boolean>} whether it was this page's session still.
   * @throws {Refusal}
   */
  endSession() {
    return this.#session.end();
  }

  /** The session has ended, as is known from elsewhere than its socket. */
  end(reason) {
    this.#socket.end(reason);
  }

  /** Stop asking for a session that was not given yet. */
  cancelOpening() {
    if (!this.#session.open && this.#socket.pending) this.close();
  }

  /** Forget the session; the server ends it once it is idle. */
  close() {
    this.#session.forget();
    this.#socket.close();
  }
}
