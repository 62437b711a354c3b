/** The sessions table. An update touches the cells that changed and nothing else. */

import { COLUMNS, matches, order } from "./columns.js";
import { make, setAttribute, setText } from "../shared/dom.js";

export class Sessions {
  #rows = new Map();
  #lines = new Map();
  #table;
  #empty;
  #tally;
  #onEnd;
  #mayEnd = false;
  #view = { show: "live", filter: "" };
  #sort = { column: COLUMNS[1], descending: true };
  #known = false;

  /**
   * @param {object} parts
   * @param {(row: object, ofUser: number) => void} parts.onEnd the operator asks to end a
   *   session; `ofUser` is how many live ones its user has
   */
  constructor({ table, empty, tally, filter, segments, onEnd }) {
    this.#table = table;
    this.#empty = empty;
    this.#tally = tally;
    this.#onEnd = onEnd;
    this.#buildHead();
    filter.addEventListener("input", () => this.#setView({ filter: filter.value.trim().toLowerCase() }));
    for (const segment of segments) {
      segment.addEventListener("click", () => {
        for (const other of segments) other.setAttribute("aria-pressed", String(other === segment));
        this.#setView({ show: segment.dataset.show });
      });
    }
    setInterval(() => this.#refreshAges(), 1000);
  }

  set mayEnd(may) {
    this.#mayEnd = may;
    for (const line of this.#lines.values()) this.#fill(line);
  }

  /** @param {{full: boolean, rows: object[], gone: string[]}} message */
  receive({ full, rows, gone }) {
    this.#known = true;
    const leaving = full ? new Set([...this.#rows.keys()].filter((id) => !rows.some((row) => row.id === id))) : gone;
    for (const id of leaving) this.#remove(id);
    for (const row of rows) {
      this.#rows.set(row.id, row);
      this.#fill(this.#line(row.id));
    }
    this.#arrange();
  }

  #buildHead() {
    const heads = COLUMNS.map((column) => {
      const button = make("button", { type: "button", className: "sort", "data-testid": `sort-${column.id}` }, column.title);
      const head = make("th", { scope: "col", role: "columnheader", className: column.number ? "number" : "" }, button);
      button.addEventListener("click", () => this.#sortBy(column, head));
      if (column === this.#sort.column) head.setAttribute("aria-sort", "descending");
      return head;
    });
    const actions = make("th", { scope: "col", role: "columnheader" }, make("span", { className: "unseen" }, "Action"));
    this.#table.tHead.rows[0].append(...heads, actions);
  }

  #sortBy(column, head) {
    const descending = this.#sort.column === column ? !this.#sort.descending : Boolean(column.number);
    this.#sort = { column, descending };
    for (const other of this.#table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    this.#arrange();
  }

  #setView(view) {
    Object.assign(this.#view, view);
    this.#arrange();
  }

  #line(id) {
    if (!this.#lines.has(id)) {
      const cells = COLUMNS.map(({ id: name, title, number }) =>
        make("td", { role: "cell", className: number ? "number" : "", "data-label": title, "data-column": name }));
      const action = make("td", { role: "cell", className: "row-action" });
      const tr = make("tr", { role: "row", "data-testid": "session-row", "data-id": id }, ...cells, action);
      this.#lines.set(id, { id, tr, cells, action, button: null });
    }
    return this.#lines.get(id);
  }

  #fill(line) {
    const row = this.#rows.get(line.id);
    const now = Date.now();
    COLUMNS.forEach((column, index) => {
      const cell = line.cells[index];
      setText(cell, column.text(row, now));
      setAttribute(cell, "data-tone", column.tone?.(row) || null);
      setAttribute(cell, "title", column.hint?.(row) || null);
    });
    setAttribute(line.tr, "data-ended", row.ended_at ? "" : null);
    this.#offerEnd(line, row);
  }

  #offerEnd(line, row) {
    if (!this.#mayEnd || row.ended_at) {
      line.button?.remove();
      line.button = null;
    } else if (!line.button) {
      const name = row.user ?? "an anonymous visitor";
      line.button = make("button", { type: "button", className: "button small", "data-testid": "end-session", "aria-label": `End the session of ${name}` }, "End");
      line.button.addEventListener("click", () => this.#end(line.id));
      line.action.append(line.button);
    }
  }

  #end(id) {
    const row = this.#rows.get(id);
    const same = [...this.#rows.values()].filter((other) => !other.ended_at && row.user_id !== null && other.user_id === row.user_id);
    this.#onEnd(row, same.length);
  }

  #remove(id) {
    this.#lines.get(id)?.tr.remove();
    this.#lines.delete(id);
    this.#rows.delete(id);
  }

  /** Show the rows of the view, in order. One that is in its place is not moved: it would lose the focus. */
  #arrange() {
    const rows = [...this.#rows.values()].filter((row) => matches(row, this.#view));
    rows.sort(order(this.#sort.column, this.#sort.descending));
    const body = this.#table.tBodies[0];
    const shown = new Set(rows.map((row) => row.id));
    for (const tr of [...body.rows]) if (!shown.has(tr.dataset.id)) tr.remove();
    const focused = document.activeElement;
    rows.forEach((row, index) => {
      const { tr } = this.#line(row.id);
      if (body.rows[index] !== tr) body.insertBefore(tr, body.rows[index] ?? null);
    });
    if (focused !== document.activeElement && focused?.isConnected) focused.focus();
    this.#showCounts(rows.length);
  }

  #showCounts(shown) {
    const all = [...this.#rows.values()];
    const live = all.filter((row) => !row.ended_at).length;
    setText(this.#tally, this.#known ? `${live} live` : "");
    this.#empty.hidden = shown > 0;
    if (!this.#known) return;
    const narrowed = this.#view.filter !== "";
    setText(this.#empty, narrowed ? "No session matches." : this.#view.show === "ended" ? "No session has ended yet." : "Nobody is here at the moment.");
  }

  #refreshAges() {
    const now = Date.now();
    const index = COLUMNS.findIndex(({ id }) => id === "idle");
    for (const { id, tr, cells } of this.#lines.values()) {
      if (tr.isConnected) setText(cells[index], COLUMNS[index].text(this.#rows.get(id), now));
    }
  }
}
