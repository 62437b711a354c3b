/** A drawn scene of flat shapes that stands in for a camera. */

const FRAMERATE = 30;

const COLOURS = Object.freeze({
  black: [0, 0, 0],
  blue: [0, 0, 255],
  brown: [139, 69, 19],
  gray: [128, 128, 128],
  green: [0, 128, 0],
  purple: [128, 0, 128],
  red: [255, 0, 0],
  teal: [0, 128, 128],
  white: [255, 255, 255],
  yellow: [255, 255, 0],
});

const SHAPES = Object.freeze(["circle", "rectangle", "triangle", "star"]);

/** Enough distance from the background in RGB for a shape to stand out. */
const CONTRAST = 135;
const BACKGROUND_LEVELS = [240, 230, 220, 200, 192, 180];

/**
 * Make up a scene: one to three shapes, of different colours, side by side and never touching.
 *
 * @returns {{background: number[], shapes: {shape: string, colour: string, x: number, y: number,
 *   size: number}[]}} x, y: centre as parts of width and height; size: half the extent as a part
 *   of the height.
 */
function randomScene() {
  const level = BACKGROUND_LEVELS[Math.floor(Math.random() * BACKGROUND_LEVELS.length)];
  const background = [level, level, level];
  const colours = shuffled(Object.keys(COLOURS)).filter(
    (name) => distance(COLOURS[name], background) >= CONTRAST,
  );
  const count = 1 + Math.floor(Math.random() * 3);
  const columns = shuffled([0.2, 0.5, 0.8]).slice(0, count);
  const shapes = columns.map((x, index) => ({
    shape: SHAPES[Math.floor(Math.random() * SHAPES.length)],
    colour: colours[index],
    x: x + (Math.random() - 0.5) * 0.04,
    y: 0.5 + (Math.random() - 0.5) * 0.24,
    size: (count === 1 ? 0.16 : 0.11) + Math.random() * 0.035,
  }));
  return { background, shapes };
}

/** In words, for people who can't see it: "A red circle on the left and a blue star …". */
function describeScene({ shapes }) {
  const places = [...shapes]
    .sort((a, b) => a.x - b.x)
    .map(({ shape, colour, x }) => `a ${colour} ${shape} ${place(x)}`);
  return `Drawn scene: ${new Intl.ListFormat("en").format(places)}.`;
}

function place(x) {
  if (x < 0.36) return "on the left";
  return x > 0.64 ? "on the right" : "in the middle";
}

function shuffled(values) {
  const rest = [...values];
  for (let last = rest.length - 1; last > 0; last -= 1) {
    const pick = Math.floor(Math.random() * (last + 1));
    [rest[last], rest[pick]] = [rest[pick], rest[last]];
  }
  return rest;
}

function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

export class DemoScene {
  #canvas;
  #context;
  #scene = randomScene();
  #stream = null;
  #timer = 0;
  #beat = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
  }

  get track() {
    return this.#stream?.getVideoTracks()[0] ?? null;
  }

  /** Starting anew ends what ran before. */
  start() {
    this.stop();
    this.#paint();
    this.#stream = this.#canvas.captureStream(FRAMERATE);
    this.#timer = setInterval(() => this.#paint(), 1000 / FRAMERATE);
  }

  stop() {
    clearInterval(this.#timer);
    this.track?.stop();
    this.#stream = null;
  }

  renew() {
    this.#scene = randomScene();
    this.#paint();
  }

  /** A canvas that does not change sends no frames, so the background wavers by one level. */
  #paint() {
    this.#beat = 1 - this.#beat;
    const { background, shapes } = this.#scene;
    const { width, height } = this.#canvas;
    this.#context.fillStyle = css(background.map((level) => level + this.#beat));
    this.#context.fillRect(0, 0, width, height);
    for (const { shape, colour, x, y, size } of shapes) {
      this.#context.fillStyle = css(COLOURS[colour]);
      this.#context.fill(outline(shape, x * width, y * height, size * height));
    }
    this.#canvas.setAttribute("aria-label", describeScene(this.#scene));
  }
}

function css([red, green, blue]) {
  return `rgb(${red} ${green} ${blue})`;
}

function outline(shape, x, y, radius) {
  const path = new Path2D();
  if (shape === "circle") path.arc(x, y, radius, 0, 2 * Math.PI);
  else if (shape === "rectangle") path.rect(x - radius, y - radius * 0.8, radius * 2, radius * 1.6);
  else if (shape === "triangle") polygon(path, x, y, [radius * 1.1], 3);
  else polygon(path, x, y, [radius * 1.15, radius * 0.48], 10);
  return path;
}

/** Corners at equal angles from the top, their distances taken in turn from `radii`. */
function polygon(path, x, y, radii, corners) {
  for (let corner = 0; corner < corners; corner += 1) {
    const angle = (2 * Math.PI * corner) / corners - Math.PI / 2;
    const radius = radii[corner % radii.length];
    path.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  path.closePath();
}
