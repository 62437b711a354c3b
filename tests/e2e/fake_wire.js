/* Stands in for the server's socket and media, for tests of the page alone. Loaded before the page's
   own modules. `window.wire` scripts it: `wire.sent` is what the page sent, `wire.send(message)` and
   `wire.close(code)` act for the server, `wire.answering = false` keeps it from answering offers until
   `wire.answerLate()`, `wire.opening = false` keeps sockets from opening. */
(() => {
  const RealSocket = window.WebSocket;
  const wire = (window.wire = { sent: [], sockets: [], far: null, answering: true, opening: true });

  class FakeSocket {
    constructor(url, protocols) {
      Object.assign(this, { url, protocols, readyState: RealSocket.CONNECTING });
      wire.sockets.push(this);
      setTimeout(() => wire.opening && this.#open(), 10);
    }

    #open() {
      this.readyState = RealSocket.OPEN;
      wire.send({ type: "ready", session_id: "s", limits: { question_chars: 2000 }, model: "m" });
    }

    send(text) {
      const message = JSON.parse(text);
      if (message.type === "ping") return wire.send({ type: "pong" });
      wire.sent.push(message);
      if (message.type === "offer" && wire.answering) answer(message.sdp);
      return undefined;
    }

    close() {
      this.readyState = RealSocket.CLOSED;
    }
  }
  FakeSocket.OPEN = RealSocket.OPEN;
  window.WebSocket = FakeSocket;

  wire.send = (message) => {
    const socket = wire.sockets.at(-1);
    if (socket.readyState === RealSocket.OPEN) {
      socket.onmessage?.({ data: JSON.stringify(message) });
    }
  };
  wire.close = (code) => {
    const socket = wire.sockets.at(-1);
    socket.readyState = RealSocket.CLOSED;
    socket.onclose?.({ code });
  };
  wire.answerLate = () => answer(wire.last("offer").sdp);
  wire.last = (type) => wire.sent.findLast((message) => message.type === type);

  async function answer(sdp) {
    wire.far?.close();
    const far = (wire.far = new RTCPeerConnection());
    await far.setRemoteDescription({ type: "offer", sdp });
    await far.setLocalDescription();
    while (far.iceGatheringState !== "complete") {
      await new Promise((resolve) => far.addEventListener("icegatheringstatechange", resolve, { once: true }));
    }
    wire.send({ type: "answer", sdp: far.localDescription.sdp });
  }
})();
