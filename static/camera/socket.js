/** The protocol's socket (docs/protocol.md): its states, its pings, and why it is down. */

import { ReconnectingSocket } from "../shared/reconnecting-socket.js";
import { Refusal } from "../shared/refusal.js";
import { afterClose } from "./close-policy.js";

const PROTOCOL = "qwencam.v1";
/** ms. The server closes a socket that it hears nothing of for 12 s: three lost pings. */
const TIMING = { opening: 10000, silence: 12000, check: 4000, heartbeat: 4000 };
/** Pings in a row at the start: the shortest of several round trips is near the true one. */
const FIRST_PINGS = 5;
/** After so many failures in a row the token may be why, without a close code that says so. */
const FAILURES_BEFORE_RENEWAL = 2;
/** A busy server is asked again after this long at the soonest, s. */
const BUSY_PAUSE = 5;

/**
 * States: `closed`, `connecting`, `ready`, `retrying` (dropped, next try planned), `refused` (the
 * server gives no session; `error` says why), `ended` (`reason`, `note`), `taken-over`.
 */
export class ProtocolSocket {
  #socket;
  #credentials;
  #onState;
  #onMessage;
  /** The newest pong's `at` and when it came, until the next ping sends them back. */
  #pong = null;
  #pingsLeft = 0;
  #failures = 0;
  #renew = false;
  /** Whether a retry is planned after a refusal. */
  #retriesRefusal = false;
  /** Reason and note of the server's `ended`; the close that follows it has neither. */
  #ending = null;

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
    this.#socket = new ReconnectingSocket({
      endpoint: () => this.#endpoint(),
      timing: TIMING,
      readyType: "ready",
      ping: () => this.#ping(),
      onReady: () => this.#ready(),
      onMessage: (message) => this.#receive(message),
      onClose: (code) => this.#closed(code),
      onRefusal: (error) => this.#refused(error),
    });
  }

  /** Whether it is about to connect, or will retry by itself. */
  get pending() {
    return ["connecting", "retrying"].includes(this.state) || this.#retriesRefusal;
  }

  /** Connect unless that is so or under way. Also leaves `ended`, `refused` and `taken-over`. */
  open() {
    if (["connecting", "ready", "retrying"].includes(this.state)) return;
    this.#become("connecting");
    this.#socket.open();
  }

  /** Retry now instead of at the planned time; drop a connection that has gone silent. */
  retryNow() {
    if (this.state === "retrying") this.#socket.connect();
    else if (this.state === "ready" && !this.#socket.dropIfSilent()) this.#socket.ping();
  }

  /** @returns {boolean} whether it went out. */
  send(message) {
    return this.#socket.send(message);
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

  #drop() {
    this.#retriesRefusal = false;
    this.#socket.drop();
  }

  async #endpoint() {
    this.#retriesRefusal = false;
    this.#pong = null;
    this.#ending = null;
    const { url, access } = await this.#credentials({ renew: this.#renew });
    this.#renew = false;
    return { url, protocols: [PROTOCOL, `bearer.${access}`] };
  }

  #ready() {
    this.#failures = 0;
    this.#become("ready");
    this.#pingsLeft = FIRST_PINGS;
    this.#socket.ping();
  }

  /** Sends the server the round trip too: what its last pong said, and how long that was kept here. */
  #ping() {
    const pong = this.#pong;
    this.#pong = null;
    if (!pong?.at) return { type: "ping" };
    const held = Math.round((performance.now() - pong.heard) * 10) / 10;
    return { type: "ping", echo: pong.at, held };
  }

  #receive(message) {
    if (message.type === "pong") {
      this.#pong = { at: message.at, heard: performance.now() };
      this.#pingsLeft -= 1;
      if (this.#pingsLeft > 0) this.#socket.ping();
      return;
    }
    if (message.type === "ended") this.#ending = { reason: message.reason, note: message.note };
    this.#onMessage(message);
  }

  #closed(code) {
    this.#failures += 1;
    const { next, wait = 0, ...rest } = afterClose(code);
    if (this.#ending !== null) return this.#become("ended", this.#ending);
    if (next === "ended" || next === "taken-over") return this.#become(next, rest);
    this.#renew = next === "renew" || this.#failures % FAILURES_BEFORE_RENEWAL === 0;
    return this.#retry(wait);
  }

  #refused(error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.code === "session_ended") return this.#become("ended", { reason: "ended" });
    if (!error.transient) return this.#become("refused", { error });
    if (error.status === 0) return this.#retry(0);
    this.#retriesRefusal = true;
    this.#become("refused", { error });
    return this.#socket.connectIn(Math.max(BUSY_PAUSE, error.retryAfter ?? 0) * 1000);
  }

  #retry(wait) {
    this.#become("retrying");
    this.#socket.retry(wait);
  }

  #become(state, extra = {}) {
    this.state = state;
    this.#onState({ state, ...extra });
  }
}
