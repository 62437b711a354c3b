/**
 * How much of the camera's picture is sent: little while nobody asks, more the moment somebody may.
 *
 * A frame costs the server its packets and its decoding, so an idle camera sends ten a second: fresh
 * enough for a question out of the blue, which finds a frame at most a tenth of a second old. Pixels
 * that the model never gets are never sent; the size stays the same in all modes, since a change of
 * size costs a keyframe just when the frame is wanted. The camera itself runs on at its own rate:
 * changing that reopens some cameras, and the person sees the preview.
 */

const IDLE_FRAMERATE = 10;
const ASKING_FRAMERATE = 30;

/** A person who has not stirred for this long is not about to ask, ms. */
const ASKING_FOR = 8000;

/** Sent pixels for each of the model's, along an edge: enough to average out the coding. */
const HEADROOM = 1.25;
const SCALES = [6, 4, 3, 2, 1.5, 1];

const BITS_PER_PIXEL = 0.15;
const MAX_BITRATE = 2_500_000;

/**
 * What the sender is told. Pure.
 *
 * @param {object} wish
 * @param {boolean} wish.asking a question is being typed or may come any moment.
 * @param {boolean} wish.live live mode is on.
 * @param {number} wish.liveRate live mode's frames a second at most.
 * @param {number} wish.frameEdge the longer edge of a frame as the model gets it, pixels.
 * @param {number} wish.width @param {number} wish.height the camera's picture, pixels.
 * @returns {{maxFramerate: number, scaleResolutionDownBy: number, maxBitrate: number}}
 */
export function decideSending({ asking, live, liveRate, frameEdge, width, height }) {
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

export class Sending {
  #onChange;
  #live;
  #track = null;
  #limits = { liveRate: 2, frameEdge: 448 };
  #asking = false;
  #timer = 0;

  /**
   * @param {{live: () => boolean, onChange: (sending: object) => void}} parts `live` tells whether
   *   live mode is on; `onChange` takes what `decideSending` returns.
   */
  constructor({ live, onChange }) {
    this.#live = live;
    this.#onChange = onChange;
  }

  /** Another track is sent, or none. */
  use(track) {
    this.#track = track;
    this.refresh();
  }

  /** The server's limits, as its `ready` tells them. */
  limit({ live_rate: liveRate, frame_edge: frameEdge } = {}) {
    this.#limits = {
      liveRate: liveRate ?? this.#limits.liveRate,
      frameEdge: frameEdge ?? this.#limits.frameEdge,
    };
    this.refresh();
  }

  /** The person is at the field or at a suggestion: a question may come any moment. */
  stir() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#settle(), ASKING_FOR);
    if (this.#asking) return;
    this.#asking = true;
    this.refresh();
  }

  /** Decide anew. */
  refresh() {
    if (!this.#track) return;
    const { width = 1280, height = 720 } = this.#track.getSettings();
    const wish = { asking: this.#asking, live: this.#live(), width, height, ...this.#limits };
    this.#onChange(decideSending(wish));
  }

  #settle() {
    this.#asking = false;
    this.refresh();
  }
}
