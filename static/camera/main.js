/** The camera page: puts its parts together and carries messages between them. */

import { onSignOut } from "../logins.js";
import { Composer } from "./composer.js";
import { readConfig } from "./config.js";
import { Conversation } from "./conversation.js";
import { newId } from "./ids.js";
import { LiveMode } from "./live.js";
import { ModelWatch, ahead } from "./model-watch.js";
import { PeerLink } from "./peer.js";
import { Picture } from "./picture.js";
import { Questions } from "./questions.js";
import { Sending } from "./sending.js";
import { CameraSession } from "./session.js";
import { Sheet } from "./sheet.js";
import { ProtocolSocket } from "./socket.js";
import { INITIAL_FACTS, describe, switchTrouble } from "./status.js";
import { StatusView } from "./status-view.js";
import { Stay } from "./stay.js";

/** What the server says of an offer it won't take. */
const OFFER_ERRORS = new Set([
  "offer_invalid",
  "offer_too_large",
  "audio_refused",
  "data_channel_refused",
  "video_missing",
  "too_many_tracks",
  "codec_unsupported",
]);

/** A sentence over the picture stays for this long, ms: the person is looking there. */
const NOTE_STAYS = 15000;

const $ = (id) => document.getElementById(id);

class CameraPage {
  constructor(config) {
    this.config = config;
    this.signedOut = false;
    this.facts = { ...INITIAL_FACTS, demo: config.demoScene };
    this.questions = new Questions({ newId });
    this.session = new CameraSession(config);
    this.socket = new ProtocolSocket({
      credentials: (options) => this.session.credentials(options),
      onState: (state) => this.socketChanged(state),
      onMessage: (message) => this.hear(message),
    });
    this.peer = new PeerLink({
      send: (message) => this.socket.send(message),
      iceServers: () => this.session.iceServers,
      onState: (state) => this.peerChanged(state),
      onOffer: () => this.offered(),
    });
    this.sending = new Sending({
      live: () => this.live.on,
      onChange: (sending) => this.peer.shape(sending),
    });
    this.model = new ModelWatch({
      onChange: (model, modelDetail) => this.learn({ model, modelDetail }),
    });
    this.buildViews();
    this.listen();
    this.learn({});
    this.picture.foresee();
  }

  buildViews() {
    const screen = $("screen");
    this.sheet = new Sheet({ screen, grip: $("grip") });
    this.status = new StatusView({
      status: $("status"),
      label: $("status-label"),
      detail: $("status-detail"),
      notice: $("notice"),
      title: $("notice-title"),
      text: $("notice-text"),
      icon: $("notice-icon"),
      actions: $("notice-actions"),
      scene: $("demo-scene"),
      onAction: (name) => this.act(name),
    });
    this.picture = new Picture({
      screen,
      video: $("preview"),
      canvas: $("scene"),
      onChange: (facts) => this.pictureChanged(facts),
    });
    this.conversation = new Conversation({
      list: $("turns"),
      scroller: $("messages"),
      jump: $("jump"),
      welcome: $("welcome"),
      announcer: $("announcer"),
      onAgain: (question) => this.askAgain(question),
    });
    this.composer = new Composer({
      form: $("composer"),
      field: $("question"),
      send: $("send"),
      cancel: $("cancel"),
      onAsk: (text) => this.ask(text),
      onCancel: () => this.cancel(),
      onStir: () => this.sending.stir(),
    });
    this.stay = new Stay({ button: $("stay") });
    this.live = new LiveMode({
      screen,
      toggle: $("live-toggle"),
      bar: $("live-bar"),
      prompt: $("live-prompt"),
      box: $("live"),
      text: $("live-text"),
      meta: $("live-meta"),
      send: (message) => this.peer.offered && this.socket.send(message),
      onWanted: () => this.learn({}),
    });
  }

  listen() {
    const press = (id, act) => $(id)?.addEventListener("click", act);
    press("start-camera", () => this.startCamera());
    press("stop-camera", () => this.picture.stop());
    press("switch-camera", () => this.switchCamera());
    press("demo-scene", () => this.startScene());
    press("new-scene", () => this.picture.renewScene());
    press("end-session", () => this.endSession());
    press("live-toggle", () => this.sending.refresh());
    for (const chip of document.querySelectorAll("[data-question]")) {
      chip.addEventListener("click", () => this.ask(chip.dataset.question));
      for (const kind of ["pointerover", "pointerdown", "focus"]) {
        chip.addEventListener(kind, () => this.sending.stir());
      }
    }
    // A press before this program was there would have been lost.
    for (const button of document.querySelectorAll("[data-early]")) {
      button.removeAttribute("data-early");
      button.disabled = false;
    }
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("click", (event) => this.leaveMenu(event));
    document.addEventListener("visibilitychange", () => this.seenAgain());
    window.addEventListener("online", () => this.socket.hurry());
    window.addEventListener("pagehide", () => this.leave());
    if (this.config.login) onSignOut(() => this.heardOfSignOut());
  }

  // --- What the person does ---

  async startCamera() {
    if (this.signedOut) this.connect();
    else if ((await this.picture.startCamera()) && this.picture.running) this.connect();
  }

  /** A device that opens slowly must not be asked twice. */
  async switchCamera() {
    const button = $("switch-camera");
    const focused = document.activeElement === button;
    button.disabled = true;
    try {
      await this.picture.switchCamera();
    } finally {
      button.disabled = false;
      // A disabled button loses the focus.
      if (focused && !button.hidden && document.activeElement === document.body) button.focus();
    }
  }

  startScene() {
    if (!this.signedOut) this.picture.startScene();
    this.connect();
  }

  /**
   * A press of "start" after an end is a wish for a new session. Whoever is signed out gets none, and
   * hears from the server how to go on.
   */
  connect() {
    if (this.facts.socket === "ended") this.session.forget();
    this.socket.open();
  }

  act(name) {
    if (name === "start") this.startCamera();
    else if (name === "sign-in") location.assign(this.config.loginUrl);
    else if (name === "retry" || this.watching) this.connect();
    else this.startCamera();
  }

  ask(text) {
    const question = this.questions.ask(text, this.stay.wish);
    this.sheet.rise();
    this.conversation.add(question, this.pause(question));
    this.flush();
    this.learn({});
  }

  askAgain(question) {
    this.questions.askAgain(question);
    this.flush();
    this.show(question);
  }

  cancel() {
    const question = this.questions.newestOpen;
    if (!question) return;
    if (question.running) this.socket.send({ type: "cancel", id: question.id });
    question.fail({ code: "cancelled" });
    this.conversation.announce(question);
    this.show(question);
  }

  async endSession() {
    let failure = "";
    let ours = true;
    try {
      ours = await this.session.end();
    } catch (error) {
      if (!error.unauthenticated) failure = error.detail;
    }
    $("menu-error").textContent = failure;
    $("menu-error").hidden = !failure;
    $("menu").open = Boolean(failure);
    if (!failure && ours) this.sessionEnded("user");
  }

  key(event) {
    if (event.key !== "Escape" || event.isComposing) return;
    if ($("menu").open) $("menu").open = false;
    else this.cancel();
  }

  leaveMenu(event) {
    if (!$("menu").contains(event.target)) $("menu").open = false;
  }

  async seenAgain() {
    if (document.hidden) return;
    this.socket.hurry();
    await this.picture.wake();
  }

  leave() {
    this.picture.stop();
    this.session.forget();
    this.socket.close();
  }

  // --- What the server says ---

  socketChanged({ state, error = null, reason = null, note = "" }) {
    this.learn({ socket: state, refusal: error, endReason: reason, endNote: note });
    if (state !== "ready") this.peer.signallingLost();
    if (state === "ended") this.sessionEnded(reason);
    if (state === "taken-over") this.picture.stop();
    if (error?.loginChanged) this.loadAnew();
    else if (error?.unauthenticated) this.refusedForLogin();
  }

  /** From another tab: a session that has ended before hears nothing from the server any more. */
  heardOfSignOut() {
    if (!this.signedOut) this.socket.end("signed_out");
  }

  /** Nobody is asked to sign in with the camera on. A page that had a login has lost it. */
  refusedForLogin() {
    if (this.config.login) this.signOut();
    else this.picture.stop();
  }

  /** Another login than the page's: whose it is, may not see what was said. */
  loadAnew() {
    this.leave();
    location.reload();
  }

  /** The page's login has ended: nothing goes on, and what was said is not left for others to read. */
  signOut() {
    this.picture.stop();
    this.signedOut = true;
    this.questions.clear();
    this.conversation.clear();
    this.composer.clear();
    this.live.clear();
    this.stay.switch(false);
    for (const part of document.querySelectorAll("[data-signed-in]")) part.hidden = true;
  }

  sessionEnded(reason) {
    this.session.forget();
    if (this.facts.socket !== "ended") this.socket.end(reason);
    this.picture.stop();
    if (this.live.on) this.live.switch(false);
    for (const question of this.questions.running) {
      question.fail({ code: "session_ended", detail: "The session ended before the answer." });
      this.show(question);
    }
    if (reason === "signed_out") this.signOut();
  }

  hear(message) {
    switch (message.type) {
      case "ready":
        return this.welcomed(message);
      case "answer":
        return this.peer.take(message.sdp);
      case "stream":
        return this.streamChanged(message);
      case "notice":
        return this.showNotice(message.text);
      case "live":
        this.model.answered();
        return this.live.show(message);
      case "error":
        // Live mode's questions are the server's own: the page asked none of that name.
        return message.id && !message.id.startsWith("live-") ? this.answerChanged(message) : this.troubled(message);
      default:
        return this.answerChanged(message);
    }
  }

  welcomed({ limits }) {
    this.composer.limit(limits?.question_chars);
    this.sending.limit(limits);
    this.stay.tell(limits?.frame_keep_seconds);
    for (const message of this.questions.recover()) this.socket.send(message);
    this.peer.signallingReady();
  }

  showNotice(text) {
    $("operator-notice").textContent = text;
    $("operator-notice").hidden = !text;
  }

  offered() {
    this.flush();
    if (this.live.on) this.live.askAgain();
  }

  answerChanged(message) {
    const { question, reply } = this.questions.receive(message);
    if (reply) this.socket.send(reply);
    if (!question) return;
    if (message.type === "queued") this.model.queued(message.position);
    else if (message.type === "error") this.model.failed(message);
    else this.model.answered();
    if (question.wantsPicture && this.peer.state !== "connected") this.questions.askAgain(question);
    this.show(question);
    if (question.open) return;
    this.stay.ended(question);
    this.conversation.announce(question);
  }

  /** An error that belongs to no question. */
  troubled(message) {
    if (OFFER_ERRORS.has(message.error)) return this.peer.refuse(message.detail);
    if (message.error === "stream_failed") return this.peer.lost();
    this.model.failed(message);
    return this.live.fail(message.detail);
  }

  streamChanged(stream) {
    this.learn({ stream });
    if (["closed", "failed"].includes(stream.state)) this.peer.lost();
  }

  // --- What follows ---

  pictureChanged({ switchFailure = null, ...facts }) {
    this.learn(facts);
    this.showSwitchFailure(switchFailure);
    if (!["on", "asking"].includes(facts.camera)) this.giveUp();
    this.sending.use(this.picture.track);
    this.peer.use(this.picture.track);
    this.offerSwitch();
  }

  /** Without a picture no session is wanted that hasn't been given yet. */
  giveUp() {
    if (this.session.open || !this.socket.pending) return;
    this.session.forget();
    this.socket.close();
  }

  showSwitchFailure(kind) {
    clearTimeout(this.noteTimer);
    const note = $("camera-note");
    note.textContent = kind ? switchTrouble(kind) : "";
    note.hidden = !kind;
    if (kind) this.noteTimer = setTimeout(() => this.showSwitchFailure(null), NOTE_STAYS);
  }

  peerChanged({ state, detail = "" }) {
    this.learn({ peer: state, peerDetail: detail, ...(state !== "connected" && { stream: null }) });
    if (state === "connected") this.flush();
  }

  /** Send what waits, once the server knows of a stream. */
  flush() {
    if (!this.peer.offered) return;
    for (const question of this.questions.unsent) {
      this.socket.send(this.questions.send(question));
      this.show(question);
    }
  }

  /** Whether there is a picture, or will be in a moment: while it is switched there is none. */
  get watching() {
    return this.facts.camera === "on";
  }

  learn(facts) {
    Object.assign(this.facts, facts);
    const { name, port } = { name: location.hostname, port: location.port || "80" };
    this.status.show(describe(this.facts, { name, port }));
    const { camera, scene } = this.facts;
    const on = this.watching;
    $("start-camera").hidden = on;
    $("start-camera").disabled = camera === "asking";
    $("stop-camera").hidden = !on;
    $("stop-label").textContent = scene ? "scene" : "camera";
    if ($("new-scene")) $("new-scene").hidden = !(on && scene);
    $("end-session").disabled = !this.session.open;
    this.showWaiting();
  }

  showWaiting() {
    for (const question of [...this.questions.unsent, ...this.questions.running]) {
      this.show(question);
    }
    const waits = this.questions.unsent.length > 0 || this.live.on;
    const idle = !this.watching && this.facts.camera !== "asking";
    $("screen").dataset.attention = waits && idle ? "start" : "";
    if (this.live.on && idle) this.live.fail("Start the camera to begin.");
  }

  show(question) {
    this.conversation.show(question, this.pause(question));
    this.composer.running = this.questions.newestOpen !== null;
  }

  /** What a question that has no answer yet waits for. */
  pause({ position }) {
    if (!this.watching) return "Start the camera to get an answer";
    if (this.facts.socket === "retrying") return "Waiting for the connection…";
    if (this.facts.peer !== "connected") return "Waiting for the first picture…";
    if (position > 1) return ahead(position);
    return "Looking…";
  }

  async offerSwitch() {
    const several = this.picture.running && (await this.picture.several());
    $("switch-camera").hidden = !(several && this.picture.running);
  }
}

new CameraPage(readConfig());
