/** The device's cameras. */

/** Why there is no picture: `insecure`, `denied`, `missing`, `taken` or `failed`. */
export class CameraError extends Error {
  constructor(kind, cause) {
    super(kind, { cause });
    this.name = "CameraError";
    this.kind = kind;
  }
}

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

export class Camera {
  #onLost;
  #stream = null;
  #facing = "environment";

  /** @param {{onLost: () => void}} parts onLost: the device went away. */
  constructor({ onLost }) {
    this.#onLost = onLost;
  }

  static get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get stream() {
    return this.#stream;
  }

  get track() {
    return this.#stream?.getVideoTracks()[0] ?? null;
  }

  /** @throws {CameraError} */
  async start() {
    return this.#open({ facingMode: { ideal: this.#facing } });
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.#stream = null;
  }

  /** Whether there is another camera to switch to. */
  async several() {
    return (await cameras()).length > 1;
  }

  /**
   * Change to the other side, or to the next device where sides aren't known.
   *
   * @throws {CameraError} with no camera running any more.
   */
  async switch() {
    const { facingMode, deviceId } = this.track?.getSettings() ?? {};
    if (facingMode) {
      this.#facing = facingMode === "user" ? "environment" : "user";
      return this.#open({ facingMode: { ideal: this.#facing } });
    }
    const devices = await cameras();
    const here = devices.findIndex((device) => device.deviceId === deviceId);
    const next = devices[(here + 1) % devices.length];
    return this.#open({ deviceId: { exact: next.deviceId } });
  }

  /** Phones open one camera at a time, so the old one is stopped first. */
  async #open(which) {
    if (!Camera.possible) throw new CameraError(isSecureContext ? "missing" : "insecure");
    this.stop();
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        video: { ...PICTURE, ...which },
        audio: false,
      });
    } catch (error) {
      throw new CameraError(KINDS[error.name] ?? "failed", error);
    }
    this.track.onended = () => this.#ended();
    return this.#stream;
  }

  #ended() {
    this.stop();
    this.#onLost();
  }
}

/** Whether the browser knows for sure that there is no camera. */
export async function noCamera() {
  if (!Camera.possible) return false;
  return (await cameras()).length === 0;
}

async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices.filter((device) => device.kind === "videoinput");
}
