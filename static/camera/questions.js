/** The questions asked and how far their answers have come. Pure: no socket, no document. */

/** Errors that say the picture is not there yet (or not just now), so that a retry may help. */
const NEEDS_PICTURE = new Set(["no_stream", "no_frame", "stream_stalled"]);

/**
 * One question. `state` is `unsent`, `waiting` (sent, nothing back yet), `answering`, `done`,
 * `failed` or `cancelled`.
 */
class Question {
  /** Batches that came before their turn, by number. */
  #outOfOrder = new Map();
  /** The first missing batch that the server was asked for. */
  #requested = 0;

  /**
   * @param {{id: string, content: string, keepSeconds?: number, frame?: string|null}} parts
   *   `keepSeconds`: how long its picture is kept for further questions; `frame`: the id of the
   *   question whose kept picture this one is about.
   */
  constructor({ id, content, keepSeconds = 0, frame = null }) {
    this.id = id;
    this.content = content;
    this.keepSeconds = keepSeconds;
    this.frame = frame;
    this.reset();
  }

  /** Back to the beginning, to be sent again. */
  reset({ id = this.id } = {}) {
    this.id = id;
    this.state = "unsent";
    this.text = "";
    this.seq = 0;
    this.position = 0;
    this.error = null;
    this.response = null;
    this.#outOfOrder.clear();
    this.#requested = 0;
  }

  get running() {
    return this.state === "waiting" || this.state === "answering";
  }

  get open() {
    return this.running || this.state === "unsent";
  }

  /** Whether a retry is due once there is a stream. */
  get needsPicture() {
    return this.seq === 0 && NEEDS_PICTURE.has(this.error?.code);
  }

  /**
   * Take one batch of the answer. A batch ahead of its turn is kept until the gap is filled.
   *
   * @returns {number|null} the last batch in hand when the ones after it must be sent again.
   */
  addBatch({ seq, text }) {
    if (!this.running || seq <= this.seq) return null;
    this.#outOfOrder.set(seq, text);
    while (this.#outOfOrder.has(this.seq + 1)) {
      this.seq += 1;
      this.text += this.#outOfOrder.get(this.seq);
      this.#outOfOrder.delete(this.seq);
      this.state = "answering";
    }
    if (this.#outOfOrder.size === 0) return null;
    return this.#gap();
  }

  finish(response) {
    this.state = "done";
    this.text = response.text;
    this.response = response;
  }

  fail({ code, detail }) {
    this.state = code === "cancelled" ? "cancelled" : "failed";
    this.error = { code, detail };
  }

  /** Each gap is asked for once. */
  #gap() {
    const after = this.seq;
    if (this.#requested === after + 1) return null;
    this.#requested = after + 1;
    return after;
  }
}

export class Questions {
  #all = new Map();
  #newId;

  /** @param {{newId: () => string}} parts */
  constructor({ newId }) {
    this.#newId = newId;
  }

  ask(content, frameOptions = {}) {
    const question = new Question({ id: this.#newId(), content, ...frameOptions });
    this.#all.set(question.id, question);
    return question;
  }

  /** The same words once more, under a new id; about what the camera sees now if need be. */
  retry(question) {
    this.#all.delete(question.id);
    if (question.error?.code === "frame_gone") question.frame = null;
    question.reset({ id: this.#newId() });
    this.#all.set(question.id, question);
  }

  clear() {
    this.#all.clear();
  }

  /** The newest question that can still be stopped. */
  get newestOpen() {
    return [...this.#all.values()].findLast((question) => question.open) ?? null;
  }

  get unsent() {
    return [...this.#all.values()].filter((question) => question.state === "unsent");
  }

  get running() {
    return [...this.#all.values()].filter((question) => question.running);
  }

  /** Count a question as sent. @returns {object} the message to send for it. */
  markSent(question) {
    question.state = "waiting";
    const { id, content, keepSeconds, frame } = question;
    const picture = frame ? { frame } : keepSeconds ? { keep_frame: true } : {};
    return { type: "chat", id, content, ...picture };
  }

  /** The messages to send after the socket was lost, so that no answer is. */
  recover() {
    return this.running.map(({ id, seq }) => ({ type: "resume", id, after: seq }));
  }

  /**
   * Take a message about a question.
   *
   * @returns {{question: Question|null, reply: object|null}} the question it changed, and what to
   *   send back.
   */
  receive(message) {
    const question = this.#all.get(message.id);
    if (!question?.running) return { question: null, reply: null };
    switch (message.type) {
      case "queued":
        question.position = message.position;
        return { question, reply: null };
      case "token":
        return { question, reply: this.#resumeMessage(question, question.addBatch(message)) };
      case "response":
        question.finish(message);
        return { question, reply: null };
      case "error":
        return { question, reply: this.#refused(question, message) };
      default:
        return { question: null, reply: null };
    }
  }

  #resumeMessage({ id }, after) {
    return after === null ? null : { type: "resume", id, after };
  }

  /** A server that forgot the question, or never got it, is asked anew. */
  #refused(question, { error: code, detail }) {
    if (code === "unknown_question") {
      question.reset();
      return this.markSent(question);
    }
    question.fail({ code, detail });
    return null;
  }
}
