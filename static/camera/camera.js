/** The device's cameras: one picture at a time, whatever order requests and answers come in. */

const KINDS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "taken",
  AbortError: "taken",
};

const PICTURE = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
};

/**
 * What became of a request for a camera.
 *
 * @typedef {object} Opening
 * @property {number} ticket which request it was: see `Camera.isCurrent`.
 * @property {MediaStream|null} stream the camera that is on now.
 * @property {string|null} failure why the camera asked for is not on: `insecure`, `denied`,
 *   `missing`, `taken`, `lost` or `failed`. With a stream: the camera before is on again.
 */

/**
 * A permission prompt stays open for as long as the person likes, and no API withdraws it. So each
 * request has a ticket, which the next request and every stop make void: a camera that is granted on a
 * void ticket is stopped before anything else runs. Requests to the browser wait for one another, so
 * two cameras are never open at once.
 */
export class Camera {
  #onLost;
  #stream = null;
  #facing = "environment";
  #ticket = 0;
  #opening = false;
  /** Settles when the last request has been answered. */
  #queue = Promise.resolve();

  /** @param {{onLost: () => void}} parts onLost: the device went away. */
  constructor({ onLost }) {
    this.#onLost = onLost;
  }

  static get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get track() {
    return this.#stream?.getVideoTracks()[0] ?? null;
  }

  /** Whether a request is under way that was not stopped. */
  get opening() {
    return this.#opening;
  }

  /** Whether nothing was requested, and nothing stopped, since the request that led to this. */
  isCurrent({ ticket }) {
    return ticket === this.#ticket;
  }

  /** @returns {Promise<Opening>} */
  async start() {
    const ticket = this.#next();
    return this.#done(await this.#open(ticket, side(this.#facing)));
  }

  /**
   * Change to the other side, or to the next device where sides aren't known. Where that fails the
   * camera before is opened again.
   *
   * @returns {Promise<Opening>}
   */
  async switch() {
    const before = this.track?.getSettings() ?? {};
    const ticket = this.#next();
    const other = await otherThan(before);
    if (!other) return this.#done({ ticket, stream: this.#stream, failure: "missing" });
    const opening = await this.#open(ticket, other);
    if (!opening.failure || !this.isCurrent(opening)) return this.#done(opening);
    const again = await this.#open(ticket, same(before));
    return this.#done({ ...again, failure: again.failure ?? opening.failure });
  }

  /** Also voids a request that is under way. */
  stop() {
    this.#next();
    this.#opening = false;
    this.#release();
  }

  /** Whether there is another camera to switch to. */
  async hasSeveral() {
    return (await cameras()).length > 1;
  }

  #next() {
    this.#opening = true;
    this.#ticket += 1;
    return this.#ticket;
  }

  #done(opening) {
    if (this.isCurrent(opening)) this.#opening = false;
    return opening;
  }

  /** @returns {Promise<Opening>} once those before have been answered. */
  #open(ticket, which) {
    const opening = this.#queue.then(() => this.#ask(ticket, which));
    this.#queue = opening.catch(() => {});
    return opening;
  }

  /** Phones open one camera at a time, so the old one is stopped first. */
  async #ask(ticket, which) {
    if (!Camera.possible) return notOpened(ticket, isSecureContext ? "missing" : "insecure");
    if (ticket !== this.#ticket) return notOpened(ticket, null);
    this.#release();
    let stream;
    try {
      const video = { ...PICTURE, ...which };
      stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      return notOpened(ticket, KINDS[error.name] ?? "failed");
    }
    // Unplugged as it opened: there will be no `ended` event.
    const gone = stream.getVideoTracks()[0]?.readyState !== "live";
    if (gone || ticket !== this.#ticket) {
      release(stream);
      return notOpened(ticket, gone ? "lost" : null);
    }
    this.#keep(stream);
    return { ticket, stream, failure: null };
  }

  #keep(stream) {
    this.#stream = stream;
    this.#facing = this.track.getSettings().facingMode ?? this.#facing;
    this.track.onended = () => this.#ended(stream);
  }

  #release() {
    release(this.#stream);
    this.#stream = null;
  }

  #ended(stream) {
    if (stream !== this.#stream) return;
    this.stop();
    this.#onLost();
  }
}

function notOpened(ticket, failure) {
  return { ticket, stream: null, failure };
}

function release(stream) {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
}

function side(facing) {
  return { facingMode: { ideal: facing } };
}

function device(deviceId) {
  return { deviceId: { exact: deviceId } };
}

/** The constraints that name the camera of these settings. */
function same({ deviceId, facingMode }) {
  return deviceId ? device(deviceId) : side(facingMode);
}

/** The constraints that name the camera to switch to; null: there is no other. */
async function otherThan({ deviceId, facingMode }) {
  if (facingMode) return side(facingMode === "user" ? "environment" : "user");
  const devices = await cameras();
  const here = devices.findIndex((one) => one.deviceId === deviceId);
  const next = devices[(here + 1) % devices.length];
  return next && next.deviceId !== deviceId ? device(next.deviceId) : null;
}

/** Whether the browser says for sure that there is no camera. */
export async function noCamera() {
  if (!Camera.possible) return false;
  return (await cameras()).length === 0;
}

async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices.filter((device) => device.kind === "videoinput");
}
