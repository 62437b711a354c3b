/* Plays what people, browsers and servers do in a random order, and checks after each step that no
   more than one camera is on and that no session opened by itself. Runs with fake_camera.js and
   fake_wire.js; returns the steps, and what was wrong after the last of them. */
async ({ seed, steps }) => {
  const random = mulberry32(seed);
  const settle = (time = 25) => new Promise((resolve) => setTimeout(resolve, time));
  const counts = { sessions: 0, sockets: 0 };
  /** Whether somebody has asked for a picture since the last thing that ends one. */
  let wanted = false;
  /** Whether the session is over, so that not even its socket may come back. */
  let over = false;

  window.fetch = async (path, { method } = {}) => {
    const issue = path === "/api/token" && method === "POST";
    if (issue) counts.sessions += 1;
    const mayIssue = wanted;
    await settle(Math.floor(random() * 12));
    if (issue && !mayIssue) counts.uninvited = true;
    const body = { access: "a", refresh: "r", ws_url: "/ws/s", expires_in: 300 };
    return new Response(JSON.stringify(body), { status: issue ? 201 : 200 });
  };

  const pressable = (node) => node && !node.disabled && node.checkVisibility();
  const $ = (id) => document.getElementById(id);
  const press = (node) => {
    if (!pressable(node)) return false;
    node.click();
    return true;
  };
  const begin = (node) => {
    if (pressable(node)) [wanted, over] = [true, false];
    return press(node);
  };
  const finish = (isOver) => {
    wanted = false;
    over ||= isOver;
    return true;
  };
  const asks = () => camera.asked.length > 0;
  const open = () => wire.sockets.at(-1)?.readyState === WebSocket.OPEN;

  const ACTS = {
    start: () => begin($("start-camera")),
    scene: () => begin($("demo-scene")),
    notice: () => begin(document.querySelector("#notice-actions button")),
    "switch, switch": () => press($("switch-camera")) && (press($("switch-camera")), true),
    switch: () => press($("switch-camera")),
    "switch, stop": () => press($("switch-camera")) && press($("stop-camera")) && finish(false),
    stop: () => press($("stop-camera")) && finish(false),
    grant: () => asks() && (camera.grant(), true),
    deny: () => asks() && (camera.deny(), true),
    taken: () => asks() && (camera.deny("NotReadableError"), true),
    lost: () => camera.lose(),
    "ended by an operator": () => {
      if (!open()) return false;
      wire.send({ type: "ended", reason: "operator" });
      wire.close(4404);
      return finish(true);
    },
    "ended by its user": () => press($("end-session")) && finish(true),
    "taken over": () => open() && (wire.close(4409), finish(true)),
    "connection lost": () => open() && (wire.close(1006), true),
    hidden: () => (camera.hide(true), true),
    muted: () => (camera.live().forEach((track) => "silent" in track && (track.silent = true)), true),
    visible: () => (camera.hide(false), true),
    left: () => {
      window.dispatchEvent(new PageTransitionEvent("pagehide"));
      // Really, it would be loaded anew before anybody can press anything.
      document.documentElement.hidden = false;
      return finish(true);
    },
  };
  /** Grants are as likely as all the ways to ask for them, or nothing would ever be on. */
  const names = [...Object.keys(ACTS), "start", "start", "notice", "grant", "grant", "grant", "grant"];

  const done = [];
  function wrong() {
    const live = camera.live();
    if (live.length > 1 || camera.most > 1) return `${live.length} cameras are on`;
    if (camera.mostAsked > 1) return "two requests waited at once";
    if (counts.uninvited) return "a session opened by itself";
    if (over && wire.sockets.length > counts.sockets) return "a socket opened by itself";
    counts.sockets = wire.sockets.length;
    const sent = camera.sent();
    if (sent.length > 1) return "two tracks are sent";
    if (!asks() && sent.some((track) => track.readyState !== "live")) return "a dead track is sent";
    const button = $("switch-camera");
    if (!asks() && button.checkVisibility() && button.disabled) return "the switch stays disabled";
    return null;
  }

  while (done.length < steps) {
    const name = names[Math.floor(random() * names.length)];
    counts.sockets = wire.sockets.length;
    if (!ACTS[name]()) continue;
    done.push(name);
    // Now and then the next thing happens at once.
    if (random() < 0.25) continue;
    await settle(30);
    const problem = wrong();
    if (problem) return { done, problem };
  }
  await settle(300);
  press($("stop-camera")) || ACTS.left();
  finish(false);
  while (asks()) {
    camera.grant();
    await settle();
  }
  counts.sockets = wire.sockets.length;
  await settle(300);
  const after = wrong() ?? (camera.live().length ? "a camera is on after the last stop" : null);
  return { done, problem: after, sessions: counts.sessions };

  function mulberry32(state) {
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  }
};
