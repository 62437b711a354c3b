/** Tells the tabs of one browser that its login has ended, those too that have no socket to hear it. */

const CHANNEL = "qwencam-logins";

export function announceSignOut() {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage("signed-out");
  channel.close();
}

/** @param {() => void} act called whenever another tab of this browser is found to be signed out. */
export function onSignOut(act) {
  new BroadcastChannel(CHANNEL).addEventListener("message", act);
}
