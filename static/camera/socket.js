/** The protocol's socket: reconnects by itself, beats, and says why it is down. */

import { Backoff } from "./backoff.js";
import { afterClose } from "./close-codes.js";
import { Refused } from "./session.js";

const PROTOCOL = "qwencam.v1";
const BEAT = 4000;
/** Pings right after one another at the start: the shortest of several round trips is near the true one. */
const PROBES = 5;
const SILENCE = 12000;
const OPENING = 10000;
/** This many failed openings in a row may be a refused token that no close code told of. */
const SUSPECT = 2;

/**
 * States: `closed`, `connecting`, `ready`, `retrying` (dropped, next try planned), `refused` (the
 * server gives no session; `error` says why), `ended` (`reason`, `note`), `taken-over`.
 */
export class ProtocolSocket {
  #credentials;
  #onState;
  #onMessage;
  #socket = null;
  #attempt = 0;
  #backoff = new Backoff();
  #timer = 0;
  #beat = 0;
  #heardAt = 0;
  #pong = null;
  #probes = 0;
  #failures = 0;
  #renew = false;
  /** Whether another try is planned after a refusal. */
  #again = false;
  #lastWords = null;

  /**
   * @param {object} parts
   * @param {(o: {renew: boolean}) => Promise<{url: string, access: string}>} parts.credentials
   * @param {(state: object) => void} parts.onState `{state, error?, reason?, note?}`
   * @param {(message: object) => void} parts.onMessage all but `pong`
   */
  constructor({ credentials, onState, onMessage }) {
    this.#credentials = credentials;
    this.#onState = onState;
    this.#onMessage = onMessage;
    this.state = "closed";
  }

  get ready() {
    return this.state === "ready";
  }

  /** Whether it is about to connect, or will try again by itself. */
  get pending() {
    return ["connecting", "retrying"].includes(this.state) || this.#again;
  }

  /** Connect unless that is so or under way. Also leaves `ended`, `refused` and `taken-over`. */
  open() {
    if (["connecting", "ready", "retrying"].includes(this.state)) return;
    this.#backoff.reset();
    this.#become("connecting");
    this.#connect();
  }

  /** Try now instead of at the planned time; drop a connection that has gone silent. */
  hurry() {
    if (this.state === "retrying") this.#connect();
    else if (this.ready && Date.now() - this.#heardAt > SILENCE) this.#lost(0);
    else if (this.ready) this.#ping();
  }

  /** @returns {boolean} whether it went out. */
  send(message) {
    if (!this.ready || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  close() {
    this.#drop();
    this.#become("closed");
  }

  /** The session is over, as is known from elsewhere. */
  end(reason) {
    this.#drop();
    this.#become("ended", { reason });
  }

  async #connect() {
    this.#drop();
    const attempt = this.#attempt;
    let credentials;
    try {
      credentials = await this.#credentials({ renew: this.#renew });
    } catch (error) {
      if (attempt === this.#attempt) this.#refused(error);
      return;
    }
    if (attempt !== this.#attempt) return;
    this.#renew = false;
    this.#listen(new WebSocket(credentials.url, [PROTOCOL, `bearer.${credentials.access}`]));
  }

  #listen(socket) {
    this.#socket = socket;
    this.#pong = null;
    this.#lastWords = null;
    this.#timer = setTimeout(() => this.#lost(0), OPENING);
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => this.#lost(event.code);
  }

  #hear(message) {
    this.#heardAt = Date.now();
    if (message.type === "pong") {
      this.#pong = { at: message.at, heard: performance.now() };
      this.#probes -= 1;
      if (this.#probes > 0) this.#ping();
      return;
    }
    if (message.type === "ended") this.#lastWords = { reason: message.reason, note: message.note };
    if (message.type === "ready") this.#welcome();
    this.#onMessage(message);
  }

  #welcome() {
    clearTimeout(this.#timer);
    this.#failures = 0;
    this.#backoff.reset();
    this.#beat = setInterval(() => this.#pulse(), BEAT);
    this.#become("ready");
    this.#probes = PROBES;
    this.#ping();
  }

  #pulse() {
    if (Date.now() - this.#heardAt > SILENCE) this.#lost(0);
    else this.#ping();
  }

  /** Tells the server the round trip too: what it said last, and how long that was kept here. */
  #ping() {
    const pong = this.#pong;
    this.#pong = null;
    if (!pong?.at) return this.send({ type: "ping" });
    const held = Math.round((performance.now() - pong.heard) * 10) / 10;
    return this.send({ type: "ping", echo: pong.at, held });
  }

  #lost(code) {
    const lastWords = this.#lastWords;
    this.#failures += 1;
    this.#drop();
    const { next, wait = 0, ...rest } = afterClose(code);
    if (lastWords !== null) return this.#become("ended", lastWords);
    if (next === "ended" || next === "taken-over") return this.#become(next, rest);
    this.#renew = next === "renew" || this.#failures % SUSPECT === 0;
    return this.#retry(wait);
  }

  #refused(error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === "session_ended") return this.#become("ended", { reason: "ended" });
    if (!error.passing) return this.#become("refused", { error });
    if (error.status === 0) return this.#retry(0);
    this.#again = true;
    this.#become("refused", { error });
    this.#timer = setTimeout(() => this.#connect(), Math.max(5, error.wait ?? 0) * 1000);
    return undefined;
  }

  #retry(wait) {
    this.#become("retrying");
    this.#timer = setTimeout(() => this.#connect(), Math.max(wait, this.#backoff.next()));
  }

  #drop() {
    this.#attempt += 1;
    this.#again = false;
    clearTimeout(this.#timer);
    clearInterval(this.#beat);
    if (!this.#socket) return;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(1000);
    this.#socket = null;
  }

  #become(state, extra = {}) {
    this.state = state;
    this.#onState({ state, ...extra });
  }
}
