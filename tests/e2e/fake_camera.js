/* Cameras that a test grants and denies in its own order. Loaded before the page's own modules.
   `camera.asked` holds the requests that wait, `camera.grant()` and `camera.deny(name)` answer the
   oldest. `camera.live()` are the tracks that run, the drawn scene's among them, `camera.most` the
   most that ran at once as soon as everybody had heard of a grant. */
(() => {
  const camera = (window.camera = {
    asked: [],
    requests: [],
    tracks: [],
    connections: [],
    most: 0,
    mostAsked: 0,
    hidden: false,
  });
  const media = navigator.mediaDevices;
  const capture = HTMLCanvasElement.prototype.captureStream;
  HTMLCanvasElement.prototype.captureStream = function (...rate) {
    const stream = capture.apply(this, rate);
    camera.tracks.push(...stream.getTracks());
    return stream;
  };

  media.enumerateDevices = async () =>
    ["one", "two"].map((deviceId) => ({ kind: "videoinput", deviceId, label: deviceId }));
  media.getUserMedia = ({ video }) =>
    new Promise((resolve, reject) => {
      camera.asked.push({ resolve, reject, deviceId: video.deviceId?.exact ?? "one" });
      camera.requests.push(video);
      camera.mostAsked = Math.max(camera.mostAsked, camera.asked.length);
    });

  camera.grant = async () => {
    const { resolve, deviceId } = camera.asked.shift();
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    canvas.getContext("2d").fillRect(0, 0, 640, 480);
    const stream = canvas.captureStream(5);
    const [track] = stream.getTracks();
    track.getSettings = () => ({ deviceId, width: 640, height: 480 });
    track.silent = false;
    Object.defineProperty(track, "muted", { get: () => track.silent });
    resolve(stream);
    for (let turn = 0; turn < 4; turn += 1) await null;
    camera.most = Math.max(camera.most, camera.live().length);
  };
  camera.deny = (name = "NotAllowedError") =>
    camera.asked.shift().reject(new DOMException("no", name));
  camera.live = () => camera.tracks.filter((track) => track.readyState === "live");
  camera.sent = () =>
    camera.connections
      .filter((connection) => connection.connectionState !== "closed")
      .flatMap((connection) => connection.getSenders().map((sender) => sender.track))
      .filter((track) => track !== null);
  camera.hide = (hidden) => {
    camera.hidden = hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  camera.lose = () => {
    const device = camera.live().find((track) => "silent" in track);
    device?.stop();
    device?.dispatchEvent(new Event("ended"));
    return device !== undefined;
  };
  Object.defineProperty(document, "hidden", { get: () => camera.hidden });

  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...configuration) {
      super(...configuration);
      camera.connections.push(this);
    }
  };

  // The time that a muted camera has to come back is cut short.
  const wait = window.setTimeout;
  window.setTimeout = (act, after, ...rest) => wait(act, after === 1500 ? 100 : after, ...rest);
})();
