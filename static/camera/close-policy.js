/** What the page does when the server has closed its socket. Pure. */

import { CloseCode } from "../shared/close-codes.js";

/** After TOO_MANY_MESSAGES the first retry waits this long, ms: at once it would be refused again. */
const COOL_DOWN = 5000;

/**
 * What follows a close.
 *
 * @returns {{next: "reconnect"|"renew"|"ended"|"taken-over", reason?: string, wait?: number}}
 *   `renew` means reconnect with fresh tokens; `wait` is the least pause in ms.
 */
export function afterClose(code) {
  switch (code) {
    case CloseCode.NOT_AUTHENTICATED:
      return { next: "renew" };
    case CloseCode.FORBIDDEN:
      return { next: "ended", reason: "forbidden" };
    case CloseCode.ENDED:
      return { next: "ended", reason: "ended" };
    case CloseCode.IDLE:
      return { next: "ended", reason: "idle" };
    case CloseCode.TAKEN_OVER:
      return { next: "taken-over" };
    case CloseCode.TOO_MANY_MESSAGES:
      return { next: "reconnect", wait: COOL_DOWN };
    default:
      return { next: "reconnect" };
  }
}
