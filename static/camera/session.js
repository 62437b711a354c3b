/** The camera session's tokens. Kept in memory only: a reload opens a new session. */

/** A reason of the server (or the network) not to give a session. */
export class Refused extends Error {
  constructor({ code, detail, status = 0, wait = null }) {
    super(detail);
    this.name = "Refused";
    this.code = code;
    this.detail = detail;
    this.status = status;
    this.wait = wait;
  }

  /** Trying again later may help: no answer, too many, or the server is unwell. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** Somebody else has signed in, or nobody is, where anybody may come. */
  get loginChanged() {
    return this.code === "login_changed";
  }

  get unauthenticated() {
    return this.status === 401 || this.status === 403;
  }
}

/** Tokens are renewed when this part of their life is over. */
const RENEW_AT = 0.75;

export class CameraSession {
  #csrfToken;
  #login;
  #tokens = null;
  #pending = null;
  #timer = 0;
  /** How many sessions have been forgotten: a reply that comes after that belongs to none. */
  #forgotten = 0;

  /** @param {{csrfToken: string, login: string}} page as `readConfig` returns it. */
  constructor({ csrfToken, login }) {
    this.#csrfToken = csrfToken;
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
   * @throws {Refused}
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
   * @throws {Refused} likewise: not once the session has been forgotten.
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

  /** @throws {Refused} when the session that was current then has been forgotten since. */
  #check(forgotten) {
    if (forgotten === this.#forgotten) return;
    throw new Refused({ code: "forgotten", detail: "The session is not wanted any more." });
  }

  /** A session that came when nobody wanted it any more would hold a place until it is idle. */
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
    this.#timer = setTimeout(() => this.#stayFresh(), wait + 50);
  }

  /** In the background, so no new session comes of it: only somebody who needs one opens one. */
  #stayFresh() {
    this.credentials({ issue: false }).catch(() => {});
  }

  async #request(path, { method, body, access }) {
    const headers = { Accept: "application/json", "X-CSRFToken": this.#csrfToken };
    // What was said under one login is not continued under another, whoever's cookie this is now.
    headers["X-QwenCam-Login"] = this.#login;
    if (body) headers["Content-Type"] = "application/json";
    if (access) headers.Authorization = `Bearer ${access}`;
    let response;
    try {
      response = await fetch(path, {
        method,
        headers,
        credentials: "same-origin",
        cache: "no-store",
        body: body && JSON.stringify(body),
      });
    } catch {
      throw new Refused({ code: "unreachable", detail: "The server can't be reached." });
    }
    const reply = await response.json().catch(() => ({}));
    if (response.ok) return reply;
    throw new Refused({
      code: reply.error ?? "internal_error",
      detail: reply.detail ?? `The server answered ${response.status}.`,
      status: response.status,
      wait: Number(response.headers.get("Retry-After")) || null,
    });
  }
}

function socketAddress(address) {
  const url = new URL(address, location.href);
  url.protocol = url.protocol.replace(/^http/, "ws");
  return url.href;
}
