/** The camera session's tokens. Kept in memory only: a reload opens a new session. */

import { Refusal } from "../shared/refusal.js";
import { requestJson } from "../shared/request.js";

/** Tokens are renewed when this part of their life is over: a slow server still has a quarter of it. */
const RENEW_AT = 0.75;
/** A timer may fire a little early; the tokens must be found due for renewal then, ms. */
const TIMER_SLACK = 50;

export class CameraSession {
  #login;
  #tokens = null;
  /** The request for tokens that is under way; whoever needs them meanwhile waits for the same one. */
  #pending = null;
  #timer = 0;
  /** Counts the sessions that have been forgotten: a reply that comes after that belongs to none. */
  #forgotten = 0;

  /** @param {{login: string}} config as `readConfig` returns it. */
  constructor({ login }) {
    this.#login = login;
  }

  get open() {
    return this.#tokens !== null;
  }

  get iceServers() {
    return this.#tokens?.iceServers ?? [];
  }

  /**
   * The socket's address and a token that is still good.
   *
   * @param {{renew?: boolean, issue?: boolean}} options renew: the last token was refused; issue: open
   *   a session where there is none.
   * @returns {Promise<{url: string, access: string}>}
   * @throws {Refusal}
   */
  async credentials({ renew = false, issue = true } = {}) {
    const forgotten = this.#forgotten;
    const pending = (this.#pending ??= this.#fresh({ renew, issue }));
    try {
      await pending;
    } finally {
      if (pending === this.#pending) this.#pending = null;
    }
    this.#check(forgotten);
    return { url: this.#tokens.url, access: this.#tokens.access };
  }

  /**
   * End the session on the server.
   *
   * @returns {Promise<boolean>} whether it is this page's session still, so that the page must follow.
   * @throws {Refusal} likewise: not once the session has been forgotten.
   */
  async end() {
    const tokens = this.#tokens;
    const forgotten = this.#forgotten;
    if (!tokens) return false;
    try {
      await this.#request("/api/session", { method: "DELETE", access: tokens.access });
    } catch (error) {
      if (forgotten === this.#forgotten) throw error;
    }
    return forgotten === this.#forgotten;
  }

  /** Let go of the session; what is still being asked for it comes to nothing. */
  forget() {
    clearTimeout(this.#timer);
    this.#forgotten += 1;
    this.#pending = null;
    this.#tokens = null;
  }

  async #fresh({ renew, issue }) {
    if (!this.#tokens) return issue ? this.#issue() : undefined;
    if (!renew && Date.now() < this.#tokens.renewAfter) return undefined;
    const forgotten = this.#forgotten;
    try {
      return await this.#renew();
    } catch (error) {
      this.#check(forgotten);
      if (!error.unauthenticated || error.code === "session_ended" || !issue) throw error;
      this.#tokens = null;
      return this.#issue();
    }
  }

  /** @throws {Refusal} when the session that was current then has been forgotten since. */
  #check(forgotten) {
    if (forgotten === this.#forgotten) return;
    throw new Refusal({ code: "forgotten", detail: "The session was given up." });
  }

  /** A session that comes after `forget` would hold a place until it is idle. */
  #discard(access) {
    this.#request("/api/session", { method: "DELETE", access }).catch(() => {});
  }

  async #issue() {
    const forgotten = this.#forgotten;
    const body = await this.#request("/api/token", { method: "POST", body: {} });
    if (forgotten !== this.#forgotten) this.#discard(body.access);
    this.#check(forgotten);
    this.#keep({
      access: body.access,
      refresh: body.refresh,
      url: socketAddress(body.ws_url),
      iceServers: body.ice_servers ?? [],
      lifetime: body.expires_in ?? 300,
    });
  }

  async #renew() {
    const { refresh } = this.#tokens;
    const forgotten = this.#forgotten;
    const body = await this.#request("/api/token/refresh", { method: "POST", body: { refresh } });
    this.#check(forgotten);
    this.#keep({
      ...this.#tokens,
      access: body.access,
      refresh: body.refresh ?? refresh,
      lifetime: body.expires_in ?? this.#tokens.lifetime,
    });
  }

  #keep(tokens) {
    const wait = tokens.lifetime * 1000 * RENEW_AT;
    this.#tokens = { ...tokens, renewAfter: Date.now() + wait };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#renewInBackground(), wait + TIMER_SLACK);
  }

  /** No new session comes of it: only somebody who needs one opens one. */
  #renewInBackground() {
    this.credentials({ issue: false }).catch(() => {});
  }

  #request(path, { method, body, access }) {
    // What was said under one login is not continued under another, whoever's cookie this is now.
    const headers = { "X-QwenCam-Login": this.#login };
    if (access) headers.Authorization = `Bearer ${access}`;
    return requestJson(path, { method, body, headers, unreachable: "The server can't be reached." });
  }
}

function socketAddress(address) {
  const url = new URL(address, location.href);
  url.protocol = url.protocol.replace(/^http/, "ws");
  return url.href;
}
