/** Announces a sign-out to the other tabs of the browser, those too that have no socket any more. */

const CHANNEL = "qwencam-logins";

export function announceSignOut() {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage("signed-out");
  channel.close();
}

/** @param {() => void} act called when another tab of this browser announces a sign-out. */
export function onSignOut(act) {
  new BroadcastChannel(CHANNEL).addEventListener("message", act);
}
