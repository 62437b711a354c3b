/** The camera page: makes its parts and connects them. What they do is theirs. */

import { onSignOut } from "../shared/sign-out-channel.js";
import { CameraControls } from "./camera-controls.js";
import { Chat } from "./chat.js";
import { readConfig } from "./config.js";
import { AdaptiveEncoding } from "./encoding.js";
import { PageFacts } from "./facts.js";
import { Lifecycle } from "./lifecycle.js";
import { LiveMode } from "./live.js";
import { Menu } from "./menu.js";
import { MessageRouter } from "./message-router.js";
import { ModelHealth } from "./model-health.js";
import { PeerLink } from "./peer.js";
import { SessionConnection } from "./session-connection.js";
import { describe } from "./status.js";
import { StatusView } from "./status-view.js";
import { TimedMessage } from "./timed-message.js";
import { VideoSource } from "./video-source.js";

const $ = (id) => document.getElementById(id);
const screen = $("screen");
const config = readConfig();

// --- Towards the server ---

const facts = new PageFacts({ demo: config.demoScene, onChange: () => render() });
const model = new ModelHealth({
  onChange: (state, modelDetail) => facts.update({ model: state, modelDetail }),
});
const connection = new SessionConnection({
  config,
  onState: (change) => lifecycle.connectionChanged(change),
  onMessage: (message) => router.receive(message),
});
const peer = new PeerLink({
  send: (message) => connection.send(message),
  iceServers: () => connection.iceServers,
  onState: (change) => lifecycle.peerChanged(change),
  onOffer: () => {
    chat.sendWaiting();
    if (live.on) live.restart();
  },
});
const encoding = new AdaptiveEncoding({
  isLive: () => live.on,
  onChange: (parameters) => peer.setEncoding(parameters),
});

// --- Towards the person ---

const source = new VideoSource({
  screen,
  video: $("preview"),
  canvas: $("scene"),
  onChange: (change) => lifecycle.sourceChanged(change),
});
const status = new StatusView({
  status: $("status"),
  label: $("status-label"),
  detail: $("status-detail"),
  notice: $("notice"),
  title: $("notice-title"),
  text: $("notice-text"),
  icon: $("notice-icon"),
  actions: $("notice-actions"),
  scene: $("demo-scene"),
  onAction: (name) => lifecycle.act(name),
});
const chat = new Chat({
  facts,
  peer,
  model,
  elements: {
    sheet: { screen, grip: $("grip") },
    conversation: {
      list: $("turns"),
      scroller: $("messages"),
      jump: $("jump"),
      welcome: $("welcome"),
      announcer: $("announcer"),
    },
    composer: {
      form: $("composer"),
      field: $("question"),
      send: $("send"),
      cancel: $("cancel"),
      suggestions: document.querySelectorAll("[data-question]"),
    },
    pin: $("pin-frame"),
  },
  send: (message) => connection.send(message),
  onActivity: () => encoding.expectQuestion(),
  onAsked: () => render(),
});
const live = new LiveMode({
  screen,
  toggle: $("live-toggle"),
  bar: $("live-bar"),
  prompt: $("live-prompt"),
  box: $("live"),
  text: $("live-text"),
  meta: $("live-meta"),
  send: (message) => peer.offered && connection.send(message),
  onSwitch: () => {
    encoding.update();
    render();
  },
});
const menu = new Menu({
  box: $("menu"),
  endSession: $("end-session"),
  error: $("menu-error"),
  onEndSession: () => lifecycle.endSession(),
});
const controls = new CameraControls({
  start: $("start-camera"),
  stop: $("stop-camera"),
  stopLabel: $("stop-label"),
  switch: $("switch-camera"),
  scene: $("demo-scene"),
  newScene: $("new-scene"),
  onStart: () => lifecycle.startCamera(),
  onStop: () => source.stop(),
  onSwitch: () => source.switchCamera(),
  onScene: () => lifecycle.startScene(),
  onNewScene: () => source.renewScene(),
});

// --- Between the two ---

const lifecycle = new Lifecycle({
  config,
  facts,
  connection,
  source,
  peer,
  encoding,
  chat,
  live,
  menu,
  controls,
  cameraMessage: new TimedMessage($("camera-note")),
});
const router = new MessageRouter({
  facts,
  peer,
  encoding,
  chat,
  live,
  model,
  notice: $("operator-notice"),
});

/** Show what follows from the facts. */
function render() {
  status.show(describe(facts.current, { name: location.hostname, port: location.port || "80" }));
  controls.show(facts);
  menu.sessionOpen = connection.sessionOpen;
  chat.refresh();
  const needsPicture = (chat.waiting || live.on) && facts.idle;
  screen.dataset.attention = needsPicture ? "start" : "";
  if (live.on && facts.idle) live.fail("Start the camera to begin.");
}

function enableButtons() {
  // Until now nothing listened to them: a press would have been lost.
  for (const button of document.querySelectorAll("[data-early]")) {
    button.removeAttribute("data-early");
    button.disabled = false;
  }
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && !menu.close()) chat.cancel();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  connection.retryNow();
  source.wake();
});
window.addEventListener("online", () => connection.retryNow());
window.addEventListener("pagehide", () => lifecycle.leave());
if (config.login) onSignOut(() => lifecycle.signedOutElsewhere());
enableButtons();
render();
source.detect();
