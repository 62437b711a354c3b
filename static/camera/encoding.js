/**
 * How the video is encoded: little is sent while nobody asks, more the moment somebody may.
 *
 * A frame costs the server its packets and its decoding, so an idle camera sends ten a second: fresh
 * enough for a question out of the blue, which finds a frame at most a tenth of a second old. Pixels
 * that the model never gets are never sent; the size stays the same in all modes, since a change of
 * size costs a keyframe just when the frame is needed. The camera itself runs on at its own rate:
 * changing that reopens some cameras, and the person sees the preview.
 */

const IDLE_FRAMERATE = 10;
const ASKING_FRAMERATE = 30;

/** A person who has done nothing at the field for this long is not about to ask, ms. */
const ASKING_FOR = 8000;

/** Sent pixels for each of the model's, along an edge: enough to average out the coding. */
const HEADROOM = 1.25;
const SCALES = [6, 4, 3, 2, 1.5, 1];

const BITS_PER_PIXEL = 0.15;
const MAX_BITRATE = 2_500_000;

/**
 * The parameters of the sender's encoding. Pure.
 *
 * @param {object} demand
 * @param {boolean} demand.asking a question is being typed or may come any moment.
 * @param {boolean} demand.live live mode is on.
 * @param {number} demand.liveRate live mode's frames a second at most.
 * @param {number} demand.frameEdge the longer edge of a frame as the model gets it, pixels.
 * @param {number} demand.width @param {number} demand.height the camera's picture, pixels.
 * @returns {{maxFramerate: number, scaleResolutionDownBy: number, maxBitrate: number}}
 */
export function chooseEncoding({ asking, live, liveRate, frameEdge, width, height }) {
  const longer = Math.max(width, height);
  const fits = (scale) => longer / scale >= frameEdge * HEADROOM;
  const scaleResolutionDownBy = SCALES.find(fits) ?? 1;
  const maxFramerate = framerate({ asking, live, liveRate });
  const pixels = (width * height) / scaleResolutionDownBy ** 2;
  const maxBitrate = Math.min(MAX_BITRATE, Math.round(pixels * maxFramerate * BITS_PER_PIXEL));
  return { maxFramerate, scaleResolutionDownBy, maxBitrate };
}

/** Live mode's own rate doubled, so that a sample is never older than half its interval. */
function framerate({ asking, live, liveRate }) {
  if (asking) return ASKING_FRAMERATE;
  if (!live) return IDLE_FRAMERATE;
  return Math.min(ASKING_FRAMERATE, Math.max(IDLE_FRAMERATE, Math.ceil(2 * liveRate)));
}

/** Chooses the encoding anew whenever what it depends on has changed. */
export class AdaptiveEncoding {
  #onChange;
  #isLive;
  #track = null;
  /** The server's defaults, until its `ready` says what holds. */
  #limits = { liveRate: 2, frameEdge: 448 };
  #asking = false;
  #timer = 0;

  /**
   * @param {{isLive: () => boolean, onChange: (encoding: object) => void}} parts `isLive`: whether
   *   live mode is on; `onChange` takes what `chooseEncoding` returns.
   */
  constructor({ isLive, onChange }) {
    this.#isLive = isLive;
    this.#onChange = onChange;
  }

  /** Another track is sent, or none. */
  setTrack(track) {
    this.#track = track;
    this.update();
  }

  /** The server's limits, as they are in its `ready`. */
  setLimits({ live_rate: liveRate, frame_edge: frameEdge } = {}) {
    this.#limits = {
      liveRate: liveRate ?? this.#limits.liveRate,
      frameEdge: frameEdge ?? this.#limits.frameEdge,
    };
    this.update();
  }

  /** The person is at the field or at a suggestion: a question may come any moment. */
  expectQuestion() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#setAsking(false), ASKING_FOR);
    if (!this.#asking) this.#setAsking(true);
  }

  update() {
    if (!this.#track) return;
    // A track whose size is not known yet.
    const { width = 1280, height = 720 } = this.#track.getSettings();
    const demand = { asking: this.#asking, live: this.#isLive(), width, height, ...this.#limits };
    this.#onChange(chooseEncoding(demand));
  }

  #setAsking(asking) {
    this.#asking = asking;
    this.update();
  }
}
