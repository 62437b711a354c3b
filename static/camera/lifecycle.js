/** What begins and what ends with what: picture, session, login. */

import { describeSwitchFailure } from "./status.js";

export class Lifecycle {
  #config;
  #facts;
  #connection;
  #source;
  #peer;
  #encoding;
  #chat;
  #live;
  #menu;
  #controls;
  #cameraMessage;
  #signedOut = false;

  /** @param {object} parts the page's configuration, facts and parts: see `main.js`. */
  constructor(parts) {
    this.#config = parts.config;
    this.#facts = parts.facts;
    this.#connection = parts.connection;
    this.#source = parts.source;
    this.#peer = parts.peer;
    this.#encoding = parts.encoding;
    this.#chat = parts.chat;
    this.#live = parts.live;
    this.#menu = parts.menu;
    this.#controls = parts.controls;
    this.#cameraMessage = parts.cameraMessage;
  }

  // --- What the person does ---

  /** Whoever is signed out gets no camera, and hears from the server how to go on. */
  async startCamera() {
    if (this.#signedOut) this.#connection.open();
    else if ((await this.#source.startCamera()) && this.#source.running) this.#connection.open();
  }

  startScene() {
    if (!this.#signedOut) this.#source.startScene();
    this.#connection.open();
  }

  /** A button of the notice was pressed: see `StatusView`. */
  act(name) {
    if (name === "start") this.startCamera();
    else if (name === "sign-in") location.assign(this.#config.loginUrl);
    else if (name === "retry" || this.#facts.watching) this.#connection.open();
    else this.startCamera();
  }

  async endSession() {
    let failure = "";
    let ours = true;
    try {
      ours = await this.#connection.endSession();
    } catch (error) {
      // Without a good token there is no session to end any more.
      if (!error.unauthenticated) failure = error.detail;
    }
    this.#menu.showEndFailure(failure);
    if (!failure && ours) this.#connection.end("user");
  }

  /** The page goes away. */
  leave() {
    this.#source.stop();
    this.#connection.close();
  }

  // --- What happens to it ---

  /** @param {object} change as `ProtocolSocket` reports it. */
  connectionChanged({ state, error = null, reason = null, note = "" }) {
    this.#facts.update({ socket: state, refusal: error, endReason: reason, endNote: note });
    if (state !== "ready") this.#peer.signallingLost();
    if (state === "ended") this.#sessionEnded(reason);
    if (state === "taken-over") this.#source.stop();
    if (error?.loginChanged) this.#reload();
    else if (error?.unauthenticated) this.#loginRefused();
  }

  /** @param {object} change as `VideoSource` reports it. */
  sourceChanged({ switchFailure = null, ...facts }) {
    this.#facts.update(facts);
    this.#cameraMessage.show(switchFailure ? describeSwitchFailure(switchFailure) : "");
    // Without a picture there is no use for a session that was not given yet.
    if (this.#facts.idle) this.#connection.cancelOpening();
    this.#encoding.setTrack(this.#source.track);
    this.#peer.setTrack(this.#source.track);
    this.#offerSwitch();
  }

  peerChanged({ state, detail = "" }) {
    const stream = state === "connected" ? {} : { stream: null };
    this.#facts.update({ peer: state, peerDetail: detail, ...stream });
    if (state === "connected") this.#chat.sendWaiting();
  }

  /** Another tab was signed out: a session that has ended before hears of it only here. */
  signedOutElsewhere() {
    if (!this.#signedOut) this.#connection.end("signed_out");
  }

  #sessionEnded(reason) {
    this.#source.stop();
    if (this.#live.on) this.#live.switch(false);
    this.#chat.failRunning();
    if (reason === "signed_out") this.#signOut();
  }

  /** Nobody is asked to sign in with the camera on. A page that had a login has lost it. */
  #loginRefused() {
    if (this.#config.login) this.#signOut();
    else this.#source.stop();
  }

  /** Another login than the page's: its user may not see what was said. */
  #reload() {
    this.leave();
    location.reload();
  }

  /** The page's login has ended: nothing goes on, and what was said is not left for others to read. */
  #signOut() {
    this.#source.stop();
    this.#signedOut = true;
    this.#chat.clear();
    this.#live.clear();
    for (const part of document.querySelectorAll("[data-signed-in]")) part.hidden = true;
  }

  async #offerSwitch() {
    const can = this.#source.running && (await this.#source.canSwitch());
    this.#controls.canSwitch = can && this.#source.running;
  }
}
