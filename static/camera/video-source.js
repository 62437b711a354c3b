/** Where the video comes from: nowhere, the camera, or the drawn scene; and its preview. */

import { Camera, noCamera } from "./camera.js";
import { DemoScene } from "./demo-scene.js";

/** A camera that was muted while the page was hidden gets this long to come back by itself, ms. */
const WAKE_WITHIN = 1500;

export class VideoSource {
  #screen;
  #video;
  #canvas;
  #onChange;
  #camera;
  #scene = null;
  #problem = null;

  /**
   * @param {object} parts elements `screen`, `video`, `canvas`; `onChange(facts)` with `camera`
   *   and `scene` as in `INITIAL_FACTS`, and `switchFailure` when a camera did not change.
   */
  constructor({ screen, video, canvas, onChange }) {
    this.#screen = screen;
    this.#video = video;
    this.#canvas = canvas;
    this.#onChange = onChange;
    this.#camera = new Camera({ onLost: () => this.#failed("lost") });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.#devicesChanged());
  }

  get track() {
    return this.#scene?.track ?? this.#camera.track;
  }

  get running() {
    return this.track !== null;
  }

  /** Report what is known before anybody asks for the camera: that there is none, or may not be. */
  async detect() {
    if (!Camera.possible) this.#failed(isSecureContext ? "missing" : "insecure");
    else if ((await noCamera()) && this.#idle) this.#failed("missing");
  }

  /** @returns {Promise<boolean>} whether this request, and none after it, has led to a picture. */
  async startCamera() {
    this.#endScene();
    const opening = this.#camera.start();
    this.#onChange({ camera: "asking", scene: false });
    return this.#follow(await opening);
  }

  /** Change to another camera; where that fails the one before stays on. */
  async switchCamera() {
    return this.#follow(await this.#camera.switch());
  }

  startScene() {
    this.#camera.stop();
    this.#scene ??= new DemoScene(this.#canvas);
    this.#scene.start();
    this.#show("scene");
    this.#onChange({ camera: "on", scene: true });
  }

  renewScene() {
    this.#scene?.renew();
  }

  stop() {
    this.#clear();
    this.#onChange({ camera: "off", scene: false });
  }

  /** Whether there is another camera to switch to. */
  async canSwitch() {
    return !this.#scene && this.#camera.hasSeveral();
  }

  /** Back in view: phones take the camera away from hidden pages, and some don't give it back. */
  async wake() {
    const { track } = this.#camera;
    if (!track?.muted) return;
    await new Promise((resolve) => setTimeout(resolve, WAKE_WITHIN));
    const same = track === this.#camera.track && !this.#camera.opening;
    if (same && track.muted && !document.hidden) await this.startCamera();
  }

  get #idle() {
    return !this.running && !this.#camera.opening;
  }

  /** Show what a request has led to, unless something else has been asked for since. */
  #follow(opening) {
    if (!this.#camera.isCurrent(opening)) return false;
    if (!opening.stream) {
      this.#failed(opening.failure);
      return false;
    }
    this.#video.srcObject = opening.stream;
    this.#show("camera");
    this.#onChange({ camera: "on", scene: false, switchFailure: opening.failure });
    return true;
  }

  #failed(kind) {
    this.#clear();
    this.#problem = kind;
    this.#onChange({ camera: kind, scene: false });
  }

  #clear() {
    this.#camera.stop();
    this.#endScene();
    this.#video.srcObject = null;
    this.#show("off");
  }

  #endScene() {
    this.#scene?.stop();
    this.#scene = null;
  }

  #show(what) {
    this.#problem = null;
    this.#screen.dataset.stage = what;
    this.#video.hidden = what !== "camera";
    this.#canvas.hidden = what !== "scene";
  }

  async #devicesChanged() {
    const none = await noCamera();
    if (!this.#idle) return;
    if (none) this.#failed("missing");
    else if (["missing", "lost"].includes(this.#problem)) this.stop();
  }
}
