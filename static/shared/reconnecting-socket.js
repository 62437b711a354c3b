/** A WebSocket of JSON messages that stays open: heartbeat, silence timeout, reconnection. */

import { Backoff } from "./backoff.js";

/** What `onClose` gets when this side gave up on a silent connection, and there is no close code. */
const SILENT = 0;

/** Whoever owns it decides in `onClose` what a close means: `retry`, or leave it closed. */
export class ReconnectingSocket {
  #endpoint;
  #timing;
  #readyType;
  #provesLife;
  #ping;
  #onReady;
  #onMessage;
  #onClose;
  #onRefusal;
  #socket = null;
  #ready = false;
  /** Counts connections and their ends, so that an endpoint that comes late opens nothing. */
  #attempt = 0;
  #backoff = new Backoff();
  /** The timeout of an opening connection, or the next planned one. */
  #timer = 0;
  #heartbeat = 0;
  #watchdog = 0;
  #heardAt = 0;

  /**
   * @param {object} parts
   * @param {() => ({url: string, protocols?: string[]}|Promise)} parts.endpoint asked before each
   *   connection.
   * @param {{opening: number, silence: number, check: number, heartbeat: number}} parts.timing ms:
   *   how long a connection may take to be ready, and then say nothing; how often that is checked;
   *   how often a ping is sent.
   * @param {string} parts.readyType the type of the message that makes a connection ready.
   * @param {(message: object) => boolean} [parts.provesLife] whether a message ends a silence.
   * @param {() => object} parts.ping the message of the next heartbeat.
   * @param {() => void} parts.onReady
   * @param {(message: object) => void} parts.onMessage
   * @param {(code: number) => void} parts.onClose
   * @param {(error: Error) => void} [parts.onRefusal] there is no endpoint: what `endpoint` has thrown.
   */
  constructor(parts) {
    this.#endpoint = parts.endpoint;
    this.#timing = parts.timing;
    this.#readyType = parts.readyType;
    this.#provesLife = parts.provesLife ?? (() => true);
    this.#ping = parts.ping;
    this.#onReady = parts.onReady;
    this.#onMessage = parts.onMessage;
    this.#onClose = parts.onClose;
    this.#onRefusal = parts.onRefusal;
  }

  /** Connect, with short pauses again if that fails. */
  open() {
    this.#backoff.reset();
    this.connect();
  }

  /** Connect now instead of at the planned time; ends the connection there is. */
  async connect() {
    this.drop();
    const attempt = this.#attempt;
    let endpoint;
    try {
      endpoint = await this.#endpoint();
    } catch (error) {
      if (attempt === this.#attempt) this.#onRefusal(error);
      return;
    }
    if (attempt === this.#attempt) this.#listen(new WebSocket(endpoint.url, endpoint.protocols ?? []));
  }

  /** Connect after the next pause of the backoff, or after `atLeast` ms if that is longer. */
  retry(atLeast = 0) {
    this.connectIn(Math.max(atLeast, this.#backoff.next()));
  }

  connectIn(pause) {
    this.#timer = setTimeout(() => this.connect(), pause);
  }

  /** @returns {boolean} whether it went out. */
  send(message) {
    if (!this.#ready || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  ping() {
    this.send(this.#ping());
  }

  /** Give up a connection that says nothing any more. @returns {boolean} whether that was so. */
  dropIfSilent() {
    const silent = this.#ready && Date.now() - this.#heardAt > this.#timing.silence;
    if (silent) this.#lost(SILENT);
    return silent;
  }

  /** End the connection, or the plan for one; `onClose` is not called. */
  drop() {
    this.#attempt += 1;
    this.#ready = false;
    clearTimeout(this.#timer);
    clearInterval(this.#heartbeat);
    clearInterval(this.#watchdog);
    if (!this.#socket) return;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(1000);
    this.#socket = null;
  }

  #listen(socket) {
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost(SILENT), this.#timing.opening);
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = (event) => this.#lost(event.code);
  }

  #receive(message) {
    if (this.#provesLife(message)) this.#heardAt = Date.now();
    if (message.type === this.#readyType && !this.#ready) this.#becomeReady();
    this.#onMessage(message);
  }

  /** Only now the backoff starts over: a server that accepts and closes at once is not hammered. */
  #becomeReady() {
    this.#ready = true;
    clearTimeout(this.#timer);
    this.#backoff.reset();
    this.#heartbeat = setInterval(() => this.ping(), this.#timing.heartbeat);
    this.#watchdog = setInterval(() => this.dropIfSilent(), this.#timing.check);
    this.#onReady();
  }

  #lost(code) {
    this.drop();
    this.#onClose(code);
  }
}
