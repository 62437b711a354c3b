/** The console page: makes its parts and brings them the messages of its socket. */

import { setAttribute, setText } from "../shared/dom.js";
import { changeSetting, endSession, endSessionsOf } from "./api.js";
import { Chart } from "./chart.js";
import { Dialog } from "./dialog.js";
import { count, duration } from "./format.js";
import { showGpus, showServers, showWorkers } from "./machines.js";
import { Sessions } from "./sessions.js";
import { Settings } from "./settings.js";
import { ConsoleSocket } from "./socket.js";
import { Tiles } from "./tiles.js";
import { Toasts } from "./toasts.js";

const $ = (id) => document.getElementById(id);
const CHARTS = [
  { title: "Answers and errors a minute", format: count, series: [
    { name: "answers", key: "answers", kind: "bars", tone: "accent" },
    { name: "errors", key: "errors", kind: "bars", tone: "bad" },
  ] },
  { title: "Time to first token", format: duration, series: [
    { name: "p50", key: "ttft_p50", kind: "line", tone: "accent" },
    { name: "p95", key: "ttft_p95", kind: "line", tone: "warn" },
  ] },
  { title: "Streams", format: count, series: [{ name: "streams", key: "streams", kind: "line", tone: "good" }] },
];
const CONNECTION = {
  live: ["Live", "live"],
  lost: ["Reconnecting…", "lost"],
  "signed-out": ["Signed out", "lost"],
  forbidden: ["Not allowed", "lost"],
};
const STALE = {
  lost: "The connection was lost; trying again.",
  "signed-out": "You are signed out. What you have typed and not saved is still here: copy it, then",
  forbidden: "Your account may not look at the console any more.",
};

class Console {
  constructor() {
    this.me = { permissions: [] };
    this.minutes = [];
    this.updatedAt = null;
    this.toasts = new Toasts($("toasts"));
    this.dialog = new Dialog();
    this.tiles = new Tiles($("tiles"));
    this.charts = CHARTS.map((chart) => new Chart($("charts"), chart));
    this.sessions = new Sessions({
      table: $("sessions"),
      empty: $("sessions-empty"),
      tally: $("sessions-tally"),
      filter: $("filter"),
      segments: [...document.querySelectorAll("[data-show]")],
      onEnd: (row, ofUser) => this.askToEnd(row, ofUser),
    });
    this.settings = new Settings({ box: $("settings"), mayChange: () => this.mayChange, toasts: this.toasts });
    $("drain-toggle").addEventListener("click", () => this.askToDrain());
    this.socket = new ConsoleSocket({ onState: (state) => this.connectionChanged(state), onMessage: (message) => this.receive(message) });
    this.socket.open();
    document.addEventListener("signed-out", () => this.connectionChanged("signed-out"));
    setInterval(() => this.showAge(), 1000);
  }

  get mayChange() {
    return this.me.permissions.includes("change_settings");
  }

  connectionChanged(state) {
    const [text, tone] = CONNECTION[state];
    setText($("connection-text"), text);
    $("connection").dataset.state = tone;
    this.state = state;
    const login = `${document.body.dataset.loginUrl}?next=${encodeURIComponent(location.pathname)}`;
    $("stale-login").hidden = state !== "signed-out";
    $("stale-login").href = login;
    // Not while something is typed and not saved: that would be lost.
    if (state === "signed-out" && !this.settings.edited) location.assign(login);
    this.showAge();
  }

  /** Say how old what is shown is, once it is not fresh any more. */
  showAge() {
    const fresh = this.state === "live" || this.state === undefined;
    document.body.dataset.state = fresh ? (this.updatedAt ? "live" : "loading") : "stale";
    $("stale").hidden = fresh;
    if (fresh) return;
    // Apart from the alert, which a screen reader would read out again every second.
    const old = this.updatedAt ? `What you see is ${Math.round((Date.now() - this.updatedAt) / 1000)} s old.` : "";
    setText($("stale-age"), old);
    setText($("stale-why"), STALE[this.state]);
  }

  receive(message) {
    switch (message.type) {
      case "hello":
        return this.setUser(message.me);
      case "settings":
        // Draining has its own switch, which asks first.
        return this.settings.show(message.rows.filter(({ name }) => name !== "accept_sessions"));
      case "now":
        return this.show(message);
      case "hour":
        this.minutes = message.minutes;
        return this.plot();
      case "minute":
        return this.minute(message);
      case "sessions":
        return this.sessions.receive(message);
      case "servers":
        return showServers($("servers"), message.rows);
      case "workers":
        showWorkers($("workers"), message.rows, Date.now());
        return showGpus($("gpus"), message.gpus);
      default:
        return undefined;
    }
  }

  setUser(me) {
    this.me = me;
    this.sessions.mayEnd = me.permissions.includes("end_sessions");
    setText($("sessions-rights"), me.permissions.includes("end_sessions") ? "" : " Your group may look, not end sessions.");
    setText($("settings-rights"), me.permissions.includes("change_settings") ? "" : " Your group may look, not change them.");
    $("drain-toggle").disabled = !me.permissions.includes("drain");
    this.settings.refresh();
  }

  show(now) {
    this.updatedAt = Date.now();
    this.tiles.show(now);
    this.accepting = now.accepting;
    setAttribute($("drain-toggle"), "aria-checked", String(now.accepting));
    $("draining").hidden = now.accepting;
  }

  minute({ type, ...minute }) {
    if (this.minutes.at(-1)?.at === minute.at) this.minutes.pop();
    this.minutes = [...this.minutes, minute].slice(-60);
    this.plot();
  }

  plot() {
    for (const chart of this.charts) chart.show(this.minutes);
  }

  askToEnd(row, ofUser) {
    const user = row.user ?? "an anonymous visitor";
    this.dialog.ask({
      title: `End the session of ${user}?`,
      text: "Their camera and the conversation end at once. They may open a new session.",
      confirm: "End",
      note: true,
      all: ofUser > 1 ? `All ${ofUser} sessions of ${user}` : "",
      act: async ({ note, all }) => {
        const { ended = 1 } = await (all ? endSessionsOf(row.user_id, note) : endSession(row.id, note));
        this.toasts.show(ended === 1 ? "Session ended." : `${ended} sessions ended.`);
      },
    });
  }

  askToDrain() {
    const accept = !this.accepting;
    this.dialog.ask({
      title: accept ? "Open new sessions again?" : "Open no new sessions?",
      text: accept ? "Everybody who may log in can open sessions again." : "Sessions that are open go on. Whoever wants a new one is told to try again later.",
      confirm: accept ? "Accept sessions" : "Drain",
      act: async () => {
        await changeSetting("accept_sessions", accept);
        this.toasts.show(accept ? "New sessions are accepted." : "The platform drains.");
      },
    });
  }
}

new Console();
