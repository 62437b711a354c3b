/**
 * The close codes that a page acts on. The server has more (docs/protocol.md, "The socket"); after
 * those the page just reconnects.
 */
export const CloseCode = Object.freeze({
  NOT_AUTHENTICATED: 4401,
  FORBIDDEN: 4403,
  ENDED: 4404,
  IDLE: 4408,
  TAKEN_OVER: 4409,
  TOO_MANY_MESSAGES: 4429,
});
