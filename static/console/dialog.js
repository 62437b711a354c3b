/** The one dialog: asks before something that users will feel. */

import { setMessage, setText } from "../shared/dom.js";
import { Refusal } from "../shared/refusal.js";

const $ = (id) => document.getElementById(id);

export class Dialog {
  #box = $("dialog");
  #confirm = $("dialog-confirm");
  #act = null;

  constructor() {
    $("dialog-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run();
    });
    $("dialog-cancel").addEventListener("click", () => this.#box.close());
  }

  /**
   * @param {object} what
   * @param {string} what.title
   * @param {string} what.text the consequences
   * @param {string} what.confirm the button
   * @param {boolean} [what.note] whether to ask for a reason
   * @param {string} [what.all] offers to do it to all, in these words
   * @param {(given: {note: string, all: boolean}) => Promise<void>} what.act
   */
  ask({ title, text, confirm, note = false, all = "", act }) {
    this.#act = act;
    setText($("dialog-title"), title);
    setText($("dialog-text"), text);
    setText(this.#confirm, confirm);
    $("dialog-note").hidden = !note;
    $("dialog-note-text").value = "";
    $("dialog-scope").hidden = !all;
    setText($("dialog-all"), all);
    $("dialog-form").elements.scope.value = "one";
    setMessage($("dialog-error"), "");
    this.#box.showModal();
    (note ? $("dialog-note-text") : $("dialog-cancel")).focus();
  }

  async #run() {
    const all = $("dialog-form").elements.scope.value === "all";
    this.#confirm.disabled = true;
    try {
      await this.#act({ note: $("dialog-note-text").value, all });
      this.#box.close();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setMessage($("dialog-error"), error.detail);
    } finally {
      this.#confirm.disabled = false;
    }
  }
}
