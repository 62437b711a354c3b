/** What state the page is in, and the words for it: one table. Pure. */

const CAMERA_PROBLEMS = {
  insecure: {
    label: "Camera needs HTTPS",
    icon: "lock",
    title: "The camera needs HTTPS",
    text: ({ host: { name, port } }) =>
      [
        "Browsers open a camera only on HTTPS pages, or on localhost.",
        `• Try https://${name}/`,
        "• Operators: set HTTPS_ENABLED=true with SSL_CERT_PATH and SSL_KEY_PATH, or put an HTTPS proxy in front.",
        `• Just for you: run ssh -L ${port}:localhost:${port} ${name}, then open http://localhost:${port}/`,
      ].join("\n"),
    actions: [],
  },
  denied: {
    label: "Permission denied",
    icon: "camera-off",
    title: "The camera is blocked",
    text: () =>
      "This page was denied the camera. Allow it in the browser’s site settings (the icon beside the address), and in the system’s privacy settings, then try again.",
    actions: ["start"],
  },
  missing: {
    label: "No camera found",
    icon: "camera-off",
    title: "No camera found",
    text: () => "This device has no camera that the browser can see. Plug one in and try again.",
    actions: ["start"],
  },
  taken: {
    label: "Camera in use",
    icon: "camera-off",
    title: "The camera is in use",
    text: () => "Another program holds the camera. Close it there, then try again.",
    actions: ["start"],
  },
  failed: {
    label: "Camera failed",
    icon: "alert",
    title: "The camera did not start",
    text: () => "The browser could not open the camera. Try again, or restart the browser.",
    actions: ["start"],
  },
  lost: {
    label: "Camera lost",
    icon: "camera-off",
    title: "The camera has gone",
    text: () => "It was unplugged, or the system took it away. Start it again when it is back.",
    actions: ["start"],
  },
};

/** Why the other camera is not on, for a person who sees the one before. */
const SWITCH_FAILURES = {
  taken: "The other camera could not be opened: another program holds it. This one stays on.",
  denied: "The other camera could not be opened: it was denied to this page. This one stays on.",
  missing: "No other camera was found. This one stays on.",
};

export function describeSwitchFailure(kind) {
  return SWITCH_FAILURES[kind] ?? "The other camera could not be opened. This one stays on.";
}

const END_REASONS = {
  idle: "It was not used for a while. Start a new one to go on.",
  user: "You ended it. Start a new one whenever you like.",
  operator: "The operator of this server ended it.",
  replaced: "It was left unused and its place was needed. Start a new one to go on.",
  forbidden: "It belongs to another account.",
};

/** Refusals of a session that have a name of their own. */
const REFUSALS = {
  user_session_limit: { label: "Too many sessions", title: "You have too many sessions open" },
  address_session_limit: {
    label: "Too many sessions",
    title: "Too many sessions from your address",
  },
  draining: { label: "Closed for now", title: "No new sessions for now" },
};

const FRAME_PROBLEMS = {
  frame_too_large: "The server refuses this resolution; use another camera or a smaller picture.",
  filter_failed: "The server’s privacy filter could not run, so it drops the pictures.",
};

/**
 * The page's state.
 *
 * @param {object} facts as `PageFacts.current` has them.
 * @param {{name: string, port: string}} host where the page comes from.
 * @returns {{state: string, tone: "quiet"|"busy"|"good"|"warn"|"bad", label: string,
 *   detail: string, notice: null|{icon: string|null, title: string, text: string, actions: string[]}}}
 *   `notice` stands where the picture would be; without an icon it is the welcome.
 */
export function describe(facts, host) {
  return (
    sessionProblem(facts) ??
    cameraProblem(facts, host) ??
    connectionState(facts) ??
    modelProblem(facts) ??
    streamState(facts)
  );
}

function blocked(state, tone, label, notice) {
  return { state, tone, label, detail: notice.text, notice };
}

function plain(state, tone, label, detail = "") {
  return { state, tone, label, detail, notice: null };
}

function sessionProblem({ socket, endReason, endNote, refusal }) {
  if (socket === "ended" && endReason === "signed_out") {
    return blocked("signed-out", "quiet", "Signed out", {
      icon: "lock",
      title: "You are signed out",
      text: "This browser’s sign-in has ended, and this session with it. Sign in to go on.",
      actions: ["sign-in"],
    });
  }
  if (socket === "ended") {
    const reason = END_REASONS[endReason] ?? "Start a new one to go on.";
    const text = endNote ? `${reason}\n“${endNote}”` : reason;
    return blocked("ended", "quiet", "Session ended", {
      icon: "power",
      title: "This session has ended",
      text,
      actions: ["new-session"],
    });
  }
  if (socket === "taken-over") {
    return blocked("taken-over", "warn", "Open elsewhere", {
      icon: "tabs",
      title: "This session is open elsewhere",
      text: "A newer tab or window took it over. Only one can use the camera at a time.",
      actions: ["use-here"],
    });
  }
  if (socket !== "refused") return null;
  if (refusal.unauthenticated) {
    return blocked("sign-in", "warn", "Sign in needed", {
      icon: "lock",
      title: "Please sign in",
      text: refusal.detail || "Your sign-in has expired.",
      actions: ["sign-in"],
    });
  }
  const { label, title } = REFUSALS[refusal.code] ?? {
    label: refusal.transient ? "Server busy" : "No session",
    title: refusal.transient ? "The server is busy" : "The server gave no session",
  };
  return blocked("busy", "warn", label, {
    icon: "clock",
    title,
    text: refusal.transient ? `${refusal.detail} Trying again by itself.` : refusal.detail,
    actions: ["retry"],
  });
}

function cameraProblem({ camera, demo }, host) {
  const problem = CAMERA_PROBLEMS[camera];
  if (!problem) return null;
  return blocked(camera === "missing" ? "no-camera" : camera, "bad", problem.label, {
    icon: problem.icon,
    title: problem.title,
    text: problem.text({ host }),
    actions: demo ? ["scene", ...problem.actions] : problem.actions,
  });
}

function connectionState({ camera, socket, peer, peerDetail }) {
  if (camera === "asking") {
    return plain("asking", "busy", "Allow the camera", "The browser asks for your permission.");
  }
  if (socket === "retrying") {
    return plain("reconnecting", "warn", "Reconnecting…", "The connection was lost.");
  }
  if (camera === "off") return null;
  if (peer === "refused") return plain("refused", "bad", "Video refused", peerDetail);
  if (peer === "reconnecting") {
    return plain("reconnecting", "warn", "Reconnecting…", "The video connection was lost.");
  }
  if (peer !== "connected" || socket !== "ready") return plain("connecting", "busy", "Connecting…");
  return null;
}

function modelProblem({ model, modelDetail }) {
  if (model === "down") return plain("model-down", "bad", "Model down", modelDetail);
  if (model === "busy") return plain("model-busy", "warn", "Model busy", modelDetail);
  return null;
}

function streamState({ camera, scene, stream, demo }) {
  if (camera === "off") {
    return {
      ...plain("idle", "quiet", "Camera off"),
      notice: { icon: null, title: "", text: "", actions: demo ? ["scene"] : [] },
    };
  }
  if (stream?.error) {
    const detail = FRAME_PROBLEMS[stream.error] ?? "The server can’t use this video.";
    return plain("stream-error", "bad", "Video not usable", detail);
  }
  if (stream?.state === "stalled") {
    return plain("stalled", "warn", "Video stalled", "No new pictures reach the server.");
  }
  return plain("streaming", "good", scene ? "Drawn scene" : "Streaming", size(stream));
}

function size(stream) {
  if (!stream?.width) return "";
  const rate = stream.fps ? `, ${Math.round(stream.fps)} pictures a second` : "";
  return `${stream.width} × ${stream.height}${rate}.`;
}
