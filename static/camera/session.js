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

  get unauthenticated() {
    return this.status === 401 || this.status === 403;
  }
}

/** Tokens are renewed when this part of their life is over. */
const RENEW_AT = 0.75;

export class CameraSession {
  #csrfToken;
  #tokens = null;
  #pending = null;
  #timer = 0;

  constructor({ csrfToken }) {
    this.#csrfToken = csrfToken;
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
   * @param {{renew?: boolean}} options renew: the last token was refused.
   * @returns {Promise<{url: string, access: string}>}
   * @throws {Refused}
   */
  async credentials({ renew = false } = {}) {
    this.#pending ??= this.#fresh(renew).finally(() => {
      this.#pending = null;
    });
    await this.#pending;
    return { url: this.#tokens.url, access: this.#tokens.access };
  }

  /** End the session on the server. */
  async end() {
    const tokens = this.#tokens;
    if (!tokens) return;
    await this.#request("/api/session", { method: "DELETE", access: tokens.access });
    this.forget();
  }

  forget() {
    clearTimeout(this.#timer);
    this.#tokens = null;
  }

  async #fresh(renew) {
    if (!this.#tokens) return this.#issue();
    if (!renew && Date.now() < this.#tokens.renewAfter) return undefined;
    try {
      return await this.#renew();
    } catch (error) {
      if (!error.unauthenticated || error.code === "session_ended") throw error;
      this.forget();
      return this.#issue();
    }
  }

  async #issue() {
    const body = await this.#request("/api/token", { method: "POST", body: {} });
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
    const body = await this.#request("/api/token/refresh", { method: "POST", body: { refresh } });
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
    this.#timer = setTimeout(() => this.credentials().catch(() => {}), wait + 50);
  }

  async #request(path, { method, body, access }) {
    const headers = { Accept: "application/json", "X-CSRFToken": this.#csrfToken };
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
