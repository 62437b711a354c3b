/** Shows the page's state: the pill at the top, and the notice where the picture would be. */

import { make, setText } from "../shared/dom.js";

const ACTIONS = {
  start: "Try again",
  "new-session": "Start a new session",
  "use-here": "Use it here",
  "sign-in": "Sign in",
  retry: "Try now",
};

export class StatusView {
  #parts;
  #onAction;
  #welcome;
  #shown = "";

  /**
   * @param {object} parts elements `status`, `label`, `detail`, `notice`, `title`, `text`, `icon`,
   *   `actions`, `scene` (the drawn scene's button, or null), and `onAction(name)`.
   */
  constructor({ onAction, ...parts }) {
    this.#parts = parts;
    this.#onAction = onAction;
    this.#welcome = { title: parts.title.textContent, text: parts.text.textContent };
  }

  /** @param {object} description see `describe`. */
  show(description) {
    const key = JSON.stringify(description);
    if (key === this.#shown) return;
    this.#shown = key;
    const { status, label, detail } = this.#parts;
    status.dataset.state = description.state;
    status.dataset.tone = description.tone;
    status.title = description.detail;
    setText(label, description.label);
    setText(detail, description.detail);
    this.#showNotice(description.notice);
  }

  #showNotice(notice) {
    const { notice: box, title, text, icon, actions, scene } = this.#parts;
    box.hidden = !notice;
    if (scene) scene.hidden = !notice?.actions.includes("scene");
    if (!notice) return;
    const problem = notice.icon !== null;
    box.dataset.kind = problem ? "problem" : "welcome";
    box.dataset.steps = String(notice.text.includes("\n"));
    if (problem) icon.setAttribute("href", `#i-${notice.icon}`);
    setText(title, problem ? notice.title : this.#welcome.title);
    setText(text, problem ? notice.text : this.#welcome.text);
    scene?.classList.toggle("primary", problem);
    const names = notice.actions.filter((name) => name !== "scene");
    const primary = !notice.actions.includes("scene");
    actions.replaceChildren(...names.map((name) => this.#button(name, { primary })));
  }

  #button(name, { primary }) {
    const className = primary ? "button primary" : "button";
    const button = make("button", { type: "button", className, "data-testid": name }, ACTIONS[name]);
    button.addEventListener("click", () => this.#onAction(name));
    return button;
  }
}
