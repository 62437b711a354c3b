/** Why the server closes a socket, and what the page does about it. Pure. */

export const Close = Object.freeze({
  RESTARTING: 1012,
  NOT_AUTHENTICATED: 4401,
  FORBIDDEN: 4403,
  ENDED: 4404,
  IDLE: 4408,
  TAKEN_OVER: 4409,
  MESSAGE_TOO_LARGE: 4413,
  TOO_MANY_MESSAGES: 4429,
});

/** After TOO_MANY_MESSAGES the first new try waits this long, ms. */
const COOL_DOWN = 5000;

/**
 * What follows a close.
 *
 * @returns {{next: "reconnect"|"renew"|"ended"|"taken-over", reason?: string, wait?: number}}
 *   `renew` means reconnect with fresh tokens; `wait` is the least pause in ms.
 */
export function afterClose(code) {
  switch (code) {
    case Close.NOT_AUTHENTICATED:
      return { next: "renew" };
    case Close.FORBIDDEN:
      return { next: "ended", reason: "forbidden" };
    case Close.ENDED:
      return { next: "ended", reason: "ended" };
    case Close.IDLE:
      return { next: "ended", reason: "idle" };
    case Close.TAKEN_OVER:
      return { next: "taken-over" };
    case Close.TOO_MANY_MESSAGES:
      return { next: "reconnect", wait: COOL_DOWN };
    default:
      return { next: "reconnect" };
  }
}
