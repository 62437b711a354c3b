/** The video's connection to the server: one peer connection at a time, a new one when it is lost. */

import { Backoff } from "../shared/backoff.js";

/** A new connection must stand after this long, ms: ICE may need seconds to find a path. */
const CONNECT_WITHIN = 10000;
/** A `disconnected` one often recovers by itself; after this long it counts as lost, ms. */
const RECOVER_WITHIN = 2500;

/**
 * States: `off`, `connecting`, `connected`, `reconnecting`, `refused` (the server won't take this
 * video; `detail` says why).
 */
export class PeerLink {
  #send;
  #iceServers;
  #onState;
  #onOffer;
  #track = null;
  #connection = null;
  #sender = null;
  #encoding = {};
  #applying = Promise.resolve();
  #signalling = false;
  #backoff = new Backoff();
  #timer = 0;
  /** Whether this stream has been connected before. */
  #wasConnected = false;

  /**
   * @param {object} parts
   * @param {(message: object) => boolean} parts.send
   * @param {() => RTCIceServer[]} parts.iceServers
   * @param {(state: {state: string, detail?: string}) => void} parts.onState
   * @param {() => void} parts.onOffer an offer went out: from now on questions find a stream.
   */
  constructor({ send, iceServers, onState, onOffer }) {
    this.#send = send;
    this.#iceServers = iceServers;
    this.#onState = onState;
    this.#onOffer = onOffer;
    this.state = "off";
    this.offered = false;
  }

  /** Send this track from now on; `null` ends the stream. */
  async setTrack(track) {
    this.#track = track;
    if (!track) return this.#stop();
    if (this.#connection && this.state === "connected") return this.#replace(this.#connection);
    if (this.#signalling) return this.#connect();
    return this.#waiting();
  }

  /**
   * Send no more than this from now on, at once where a connection stands.
   *
   * @param {RTCRtpEncodingParameters} encoding as `chooseEncoding` returns it.
   */
  setEncoding(encoding) {
    this.#encoding = encoding;
    if (this.#sender) this.#applyEncoding(this.#sender);
  }

  /** The socket stands: connect anew. */
  async signallingReady() {
    this.#signalling = true;
    if (this.#track) await this.#connect();
  }

  signallingLost() {
    this.#signalling = false;
    this.offered = false;
    clearTimeout(this.#timer);
    if (this.#track) this.#waiting();
  }

  async acceptAnswer(answer) {
    const connection = this.#connection;
    if (connection?.signalingState !== "have-local-offer") return;
    try {
      await connection.setRemoteDescription({ type: "answer", sdp: answer });
    } catch {
      if (connection === this.#connection) this.#lost();
    }
  }

  /** The server has lost the stream, or failed on it. */
  lost() {
    if (this.#track && this.#signalling && this.state === "connected") this.#lost();
  }

  /** The server won't have this stream. */
  refuse(detail) {
    if (!this.#track) return;
    this.#drop();
    this.#become("refused", { detail });
  }

  async #connect() {
    this.#drop();
    const connection = new RTCPeerConnection({ iceServers: this.#iceServers() });
    this.#connection = connection;
    this.#waiting();
    this.#timer = setTimeout(() => this.#lost(), CONNECT_WITHIN);
    connection.onconnectionstatechange = () => this.#changed(connection);
    const transceiver = connection.addTransceiver(this.#track, {
      direction: "sendonly",
      sendEncodings: [this.#encoding],
    });
    this.#sender = transceiver.sender;
    try {
      await connection.setLocalDescription();
    } catch {
      if (connection === this.#connection) this.#lost();
    }
    // Dropped meanwhile: the track of now has a connection of its own, or there is none.
    if (connection !== this.#connection) return;
    this.offered = this.#send({ type: "offer", sdp: connection.localDescription.sdp });
    if (this.offered) this.#onOffer();
    this.#applyEncoding(transceiver.sender);
  }

  /** Send the present track on a connection that stands. One that won't take it is made anew. */
  async #replace(connection) {
    try {
      await this.#sender.replaceTrack(this.#track);
    } catch {
      if (connection === this.#connection) this.#lost();
    }
  }

  /** One change at a time: parameters that were read before another change are refused. */
  #applyEncoding(sender) {
    this.#applying = this.#applying.then(() => applyEncoding(sender, this.#encoding));
  }

  #changed(connection) {
    if (connection !== this.#connection) return;
    const { connectionState } = connection;
    if (connectionState === "connected") {
      clearTimeout(this.#timer);
      this.#wasConnected = true;
      this.#backoff.reset();
      this.#become("connected");
      // The camera may have been changed while no message got through to make a connection anew.
      if (this.#sender && this.#sender.track !== this.#track) this.#replace(connection);
    } else if (connectionState === "disconnected") {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#lost(), RECOVER_WITHIN);
    } else if (["failed", "closed"].includes(connectionState)) {
      this.#lost();
    }
  }

  #lost() {
    this.#drop();
    if (!this.#track) return;
    this.#waiting();
    if (this.#signalling) this.#timer = setTimeout(() => this.#reconnect(), this.#backoff.next());
  }

  #reconnect() {
    if (this.#track && this.#signalling) this.#connect();
  }

  #stop() {
    this.#drop();
    this.#wasConnected = false;
    this.#backoff.reset();
    this.#become("off");
  }

  #drop() {
    clearTimeout(this.#timer);
    this.offered = false;
    if (!this.#connection) return;
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
    this.#connection = null;
    this.#sender = null;
  }

  #waiting() {
    this.#become(this.#wasConnected ? "reconnecting" : "connecting");
  }

  #become(state, extra = {}) {
    this.state = state;
    this.#onState({ state, ...extra });
  }
}

/** At low bandwidth fewer frames rather than fewer pixels: text and small things stay legible. */
async function applyEncoding(sender, encoding) {
  const parameters = sender.getParameters();
  parameters.degradationPreference = "maintain-resolution";
  for (const sent of parameters.encodings) Object.assign(sent, encoding);
  // A connection that has closed meanwhile, or a browser without one of these, sends as it does.
  await sender.setParameters(parameters).catch(() => {});
}
