/** The buttons that start, stop and switch what the video comes from. */

export class CameraControls {
  #parts;
  #onSwitch;

  /**
   * @param {object} parts elements `start`, `stop`, `stopLabel`, `switch`, and, where the drawn scene
   *   is offered, `scene`, `newScene` (else null); `onStart()`, `onStop()`, `onScene()`,
   *   `onNewScene()`; `onSwitch()`, a promise of its end.
   */
  constructor({ onStart, onStop, onSwitch, onScene, onNewScene, ...parts }) {
    this.#parts = parts;
    this.#onSwitch = onSwitch;
    parts.start.addEventListener("click", () => onStart());
    parts.stop.addEventListener("click", () => onStop());
    parts.switch.addEventListener("click", () => this.#switch());
    parts.scene?.addEventListener("click", () => onScene());
    parts.newScene?.addEventListener("click", () => onNewScene());
  }

  /** @param {PageFacts} facts */
  show(facts) {
    const { start, stop, stopLabel, newScene } = this.#parts;
    const { camera, scene } = facts.current;
    start.hidden = facts.watching;
    start.disabled = camera === "asking";
    stop.hidden = !facts.watching;
    stopLabel.textContent = scene ? "scene" : "camera";
    if (newScene) newScene.hidden = !(facts.watching && scene);
  }

  /** Whether there is another camera to switch to. */
  set canSwitch(can) {
    this.#parts.switch.hidden = !can;
  }

  /** A device that opens slowly must not be requested twice. */
  async #switch() {
    const button = this.#parts.switch;
    const focused = document.activeElement === button;
    button.disabled = true;
    try {
      await this.#onSwitch();
    } finally {
      button.disabled = false;
      // A disabled button loses the focus.
      if (focused && !button.hidden && document.activeElement === document.body) button.focus();
    }
  }
}
