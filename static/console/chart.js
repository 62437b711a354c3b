/** A small chart of the last hour: bars or lines over sixty minutes. */

import { make, setAttribute, setText } from "../shared/dom.js";
import { clock } from "./format.js";

const WIDTH = 600;
const HEIGHT = 110;
const MINUTES = 60;
const STEP = WIDTH / MINUTES;

/** An element in SVG, where everything is an attribute. */
function draw(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** The least of 1, 2, 5 × 10^n that holds `value`. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((bound) => bound >= value * 0.9999);
}

export class Chart {
  #title;
  #series;
  #format;
  #minutes = [];
  #svg;
  #top;
  #readout;
  #summary;
  #plot;
  #chosen = null;

  /**
   * @param {Element} box
   * @param {object} what
   * @param {string} what.title
   * @param {{name: string, key: string, kind: "bars"|"line", tone: string}[]} what.series
   * @param {(value: number|null) => string} what.format
   */
  constructor(box, { title, series, format }) {
    this.#title = title;
    this.#series = series;
    this.#format = format;
    this.#svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "plot", "aria-hidden": "true" });
    this.#top = make("span", { className: "chart-top", "aria-hidden": "true" });
    this.#readout = make("span", { className: "chart-readout" });
    this.#summary = make("p", { className: "unseen" });
    const legend = make("span", { className: "legend" }, ...series.map(({ name, tone }) => make("span", { className: `key ${tone}` }, name)));
    // A slider over the minutes: arrow keys move it, and its text is read out as it moves.
    const plot = make("div", { className: "plot-frame", tabIndex: 0, role: "slider", "aria-label": `${title}, last hour, minute`, "aria-valuemin": 1 - MINUTES, "aria-valuemax": 0 }, this.#top, this.#svg);
    this.#plot = plot;
    plot.addEventListener("pointermove", (event) => this.#point(event, plot));
    plot.addEventListener("pointerleave", () => this.#choose(null));
    plot.addEventListener("blur", () => this.#choose(null));
    plot.addEventListener("keydown", (event) => this.#key(event));
    box.append(
      make("figure", { className: "chart" },
        make("figcaption", {}, make("span", { className: "chart-title" }, title), legend),
        plot,
        make("div", { className: "axis" }, make("span", {}, "60 min ago"), this.#readout, make("span", {}, "now")),
        this.#summary));
  }

  /** @param {object[]} minutes oldest first; the last is the current one. */
  show(minutes) {
    this.#minutes = minutes.slice(-MINUTES);
    this.#paint();
  }

  #values(key) {
    return this.#minutes.map((minute) => minute[key]);
  }

  #paint() {
    const highest = Math.max(0, ...this.#series.flatMap(({ key }) => this.#values(key)).filter((value) => value !== null));
    const bound = ceiling(highest);
    setText(this.#top, highest > 0 ? this.#format(bound) : "");
    const height = (value) => (value / bound) * (HEIGHT - 6);
    const marks = this.#series.map((series) => (series.kind === "bars" ? this.#bars(series, height) : this.#line(series, height)));
    const chosen = this.#index();
    const cursor = chosen < 0 ? [] : [draw("rect", { class: "cursor", x: this.#x(chosen), y: 0, width: STEP, height: HEIGHT })];
    this.#svg.replaceChildren(...cursor, ...marks);
    this.#describe();
  }

  /** Where the chosen minute is now, -1 when none is chosen or it has left the hour. */
  #index() {
    return this.#minutes.findIndex(({ at }) => at === this.#chosen);
  }

  #x(index) {
    return (MINUTES - this.#minutes.length + index) * STEP;
  }

  #bars({ key, tone }, height) {
    const path = this.#values(key)
      .map((value, index) => (value ? `M${this.#x(index) + 1} ${HEIGHT}v${-Math.max(2, height(value))}h${STEP - 2}V${HEIGHT}z` : ""))
      .join("");
    return draw("path", { class: `bars ${tone}`, d: path });
  }

  #line({ key, tone }, height) {
    let pen = "M";
    const path = this.#values(key)
      .map((value, index) => {
        if (value === null) {
          pen = "M";
          return "";
        }
        // A lone minute would be no line at all.
        const x = this.#x(index) + STEP / 2;
        const point = `${pen}${x} ${HEIGHT - 1 - height(value)}${pen === "M" ? "h0.01" : ""}`;
        pen = "L";
        return point;
      })
      .join("");
    return draw("path", { class: `line ${tone}`, d: path, "vector-effect": "non-scaling-stroke" });
  }

  #sentence(minute) {
    const values = this.#series.map(({ name, key }) => `${name} ${this.#format(minute[key])}`);
    return `${clock(minute.at)}: ${values.join(", ")}`;
  }

  #describe() {
    const newest = this.#minutes.at(-1);
    const minute = this.#minutes[this.#index()];
    setText(this.#readout, minute ? this.#sentence(minute) : "");
    setAttribute(this.#plot, "aria-valuenow", String(minute ? this.#index() - this.#minutes.length + 1 : 0));
    setAttribute(this.#plot, "aria-valuetext", minute ?? newest ? this.#sentence(minute ?? newest) : "nothing yet");
    if (newest) setText(this.#summary, `${this.#title}. Newest minute, ${this.#sentence(newest)}.`);
  }

  #point(event, plot) {
    const { left, width } = plot.getBoundingClientRect();
    const slot = Math.floor(((event.clientX - left) / width) * MINUTES);
    this.#choose(slot - (MINUTES - this.#minutes.length));
  }

  #key(event) {
    const last = this.#minutes.length - 1;
    const now = this.#index() < 0 ? last : this.#index();
    const target = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, Home: 0, End: last }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.#choose(Math.min(Math.max(target, 0), last));
  }

  #choose(index) {
    const at = this.#minutes[index ?? -1]?.at ?? null;
    if (at === this.#chosen) return;
    this.#chosen = at;
    this.#paint();
  }
}
