/** The facts that the page's state follows from. */

/** Before anything has happened. */
const INITIAL_FACTS = Object.freeze({
  /** `off`, `asking`, `on`, `insecure`, `denied`, `missing`, `taken`, `failed`, `lost` */
  camera: "off",
  /** Whether the drawn scene is the stream. */
  scene: false,
  /** The socket's state: see `ProtocolSocket`. */
  socket: "closed",
  /** Why the session ended. */
  endReason: null,
  /** The note of the operator who ended it. */
  endNote: "",
  /** Why no session was given: a `Refusal`. */
  refusal: null,
  /** The peer connection's state: see `PeerLink`. */
  peer: "off",
  peerDetail: "",
  /** The stream as the server sees it: `{state, width, height, fps, error}`. */
  stream: null,
  /** `ok`, `busy`, `down` */
  model: "ok",
  modelDetail: "",
  /** Whether the person is offered the drawn scene. */
  demo: false,
});

export class PageFacts {
  #onChange;

  /** @param {{demo: boolean, onChange: () => void}} parts */
  constructor({ demo, onChange }) {
    this.#onChange = onChange;
    this.current = { ...INITIAL_FACTS, demo };
  }

  update(changes) {
    Object.assign(this.current, changes);
    this.#onChange();
  }

  /** Whether there is a picture, or will be in a moment: while the camera is switched there is none. */
  get watching() {
    return this.current.camera === "on";
  }

  /** Whether there is no picture and none was asked for. */
  get idle() {
    return !this.watching && this.current.camera !== "asking";
  }
}
