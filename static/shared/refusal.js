/** A request that was refused by the server, or that did not reach it. */
export class Refusal extends Error {
  /**
   * @param {object} parts
   * @param {string} parts.code the server's error code: docs/protocol.md, "Error codes".
   * @param {string} parts.detail a sentence for people.
   * @param {number} [parts.status] of the HTTP response; 0: there was none.
   * @param {number|null} [parts.retryAfter] s, as the server asks for.
   */
  constructor({ code, detail, status = 0, retryAfter = null }) {
    super(detail);
    this.name = "Refusal";
    this.code = code;
    this.detail = detail;
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** Whether a retry may help: no response, too many requests, or the server is unwell. */
  get transient() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** Whether a login would help: nobody is signed in, or somebody who may not. */
  get unauthenticated() {
    return this.status === 401 || this.status === 403;
  }

  /** Whether the page was loaded under another login than the one there is now. */
  get loginChanged() {
    return this.code === "login_changed";
  }
}
