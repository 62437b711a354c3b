/** The live settings: a control for each; what is being edited is never overwritten. */

import { make, setAttribute, setMessage, setText } from "../shared/dom.js";
import { Refusal } from "../shared/refusal.js";
import { changeSetting, resetSetting } from "./api.js";
import { when } from "./format.js";

const LONG = new Set(["system_prompt", "notice"]);
const shown = (value) => (value === true ? "on" : value === false ? "off" : value === "" ? "empty" : String(value));

export class Settings {
  #box;
  #fields = new Map();
  #rows = [];
  #mayChange;
  #toasts;

  /** @param {() => boolean} parts.mayChange whether this operator may change settings */
  constructor({ box, mayChange, toasts }) {
    this.#box = box;
    this.#mayChange = mayChange;
    this.#toasts = toasts;
  }

  /** Show the same values again, since the operator may do other things now. */
  refresh() {
    this.show(this.#rows);
  }

  /** Whether something is typed that is not saved. */
  get edited() {
    return [...this.#fields.values()].some((field) => field.edited?.());
  }

  show(rows) {
    this.#rows = rows;
    if (rows.length && !this.#fields.size) this.#box.replaceChildren(...rows.map((row) => this.#build(row)));
    for (const row of rows) this.#fields.get(row.name)?.show(row);
  }

  #build(row) {
    const field = row.kind === "flag" ? this.#flag(row) : this.#value(row);
    this.#fields.set(row.name, field);
    return field.element;
  }

  #frame(row, control, ...buttons) {
    const meta = make("p", { className: "soft small-print" });
    const error = make("p", { className: "field-error", role: "alert", hidden: true, id: `error-${row.name}` });
    const back = make("button", { type: "button", className: "button small quiet", "data-testid": `reset-${row.name}`, hidden: true }, "Back to default");
    const label = make("label", { htmlFor: `setting-${row.name}`, className: "setting-label" }, row.label);
    const help = make("p", { className: "soft", id: `help-${row.name}` }, row.help);
    control.setAttribute("aria-describedby", `help-${row.name} error-${row.name}`);
    const element = make("div", { className: `setting ${row.kind}` },
      make("div", { className: "setting-text" }, label, help, meta),
      make("div", { className: "setting-control" }, control, ...buttons, back), error);
    const frame = { element, meta, error, back, onSaved: () => undefined };
    back.addEventListener("click", () => this.#send(row, () => resetSetting(row.name), frame));
    return frame;
  }

  #flag(row) {
    const control = make("button", { type: "button", className: "switch-button", id: `setting-${row.name}`, "data-testid": `setting-${row.name}`, role: "switch" }, make("span", { className: "switch", "aria-hidden": "true" }));
    const frame = this.#frame(row, control);
    control.addEventListener("click", () => {
      const value = control.getAttribute("aria-checked") !== "true";
      this.#send(row, () => changeSetting(row.name, value), { ...frame, back: control });
    });
    const show = (now) => {
      setAttribute(control, "aria-checked", String(now.value));
      control.disabled = !this.#mayChange();
      this.#showOrigin(frame, now);
    };
    return { element: frame.element, show };
  }

  #value(row) {
    const number = row.kind !== "text";
    const control = LONG.has(row.name)
      ? make("textarea", { rows: row.name === "notice" ? 2 : 4, maxLength: row.high })
      : make("input", { type: number ? "number" : "text" });
    if (number) Object.assign(control, { min: row.low, max: row.high, step: row.kind === "integer" ? 1 : "any", inputMode: "decimal" });
    Object.assign(control, { className: "input", id: `setting-${row.name}` });
    control.dataset.testid = `setting-${row.name}`;
    const save = make("button", { type: "button", className: "button small primary", "data-testid": `save-${row.name}`, disabled: true }, "Save");
    const frame = this.#frame(row, control, save);
    let inForce = null;
    const read = () => (number ? (control.value === "" ? null : Number(control.value)) : control.value.trim());
    const edited = () => inForce !== null && read() !== inForce;
    control.addEventListener("input", () => {
      save.disabled = !edited();
      this.#showError(frame.error, control, "");
    });
    const store = () => this.#send(row, () => changeSetting(row.name, read()), { ...frame, back: save, control });
    frame.onSaved = (value) => {
      control.value = String(value);
      inForce = value;
      save.disabled = true;
    };
    save.addEventListener("click", store);
    control.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && number && !save.disabled) store();
    });
    const show = (now) => {
      const keep = edited() && now.value !== read();
      inForce = now.value;
      if (!keep) control.value = String(now.value);
      save.disabled = !edited() || !this.#mayChange();
      control.disabled = !this.#mayChange();
      this.#showOrigin(frame, now);
    };
    return { element: frame.element, show, edited };
  }

  #showOrigin({ meta, back }, row) {
    const changed = row.changed_at ? `Changed ${when(row.changed_at, Date.now())} by ${row.changed_by ?? "a command"}. ` : "";
    const long = typeof row.default === "string" && row.default.length > 60;
    setText(meta, `${changed}Default: ${long ? "from the environment" : shown(row.default)}`);
    back.hidden = row.value === row.default || !this.#mayChange();
  }

  async #send(row, call, { error, back: button, control, onSaved }) {
    button.setAttribute("aria-busy", "true");
    try {
      const { value } = await call();
      onSaved(value);
      this.#showError(error, control, "");
      this.#toasts.show(`${row.label}: saved.`);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      this.#showError(error, control, refusal.detail);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  #showError(error, control, text) {
    setMessage(error, text);
    if (control) setAttribute(control, "aria-invalid", text ? "true" : null);
  }
}
