/** The chat: questions go out when they can be answered, answers come in and are shown. */

import { BottomSheet } from "./bottom-sheet.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { FramePin } from "./frame-pin.js";
import { newId } from "./ids.js";
import { describeQueue } from "./model-health.js";
import { Questions } from "./questions.js";

export class Chat {
  #facts;
  #peer;
  #model;
  #send;
  #onAsked;
  #questions = new Questions({ newId });
  #conversation;
  #composer;
  #pin;
  #sheet;

  /**
   * @param {object} parts
   * @param {object} parts.elements of the conversation, the composer and the rest: see `main.js`.
   * @param {PageFacts} parts.facts
   * @param {PeerLink} parts.peer
   * @param {ModelHealth} parts.model
   * @param {(message: object) => boolean} parts.send
   * @param {() => void} parts.onActivity a question may be on its way: see `Composer`.
   * @param {() => void} parts.onAsked
   */
  constructor({ elements, facts, peer, model, send, onActivity, onAsked }) {
    this.#facts = facts;
    this.#peer = peer;
    this.#model = model;
    this.#send = send;
    this.#onAsked = onAsked;
    this.#sheet = new BottomSheet(elements.sheet);
    this.#conversation = new Conversation({
      ...elements.conversation,
      onRetry: (question) => this.#retry(question),
    });
    this.#composer = new Composer({
      ...elements.composer,
      onAsk: (text) => this.#ask(text),
      onCancel: () => this.cancel(),
      onActivity,
    });
    this.#pin = new FramePin({ button: elements.pin });
  }

  /** Whether a question waits for a stream. */
  get waiting() {
    return this.#questions.unsent.length > 0;
  }

  /** Show anew what the open questions wait for. */
  refresh() {
    for (const question of [...this.#questions.unsent, ...this.#questions.running]) {
      this.#show(question);
    }
  }

  /** A new socket: its limits hold, and answers that were under way go on. */
  socketReady(limits) {
    this.#composer.limit(limits?.question_chars);
    this.#pin.setKeepSeconds(limits?.frame_keep_seconds);
    for (const message of this.#questions.recover()) this.#send(message);
  }

  /** Send the questions that wait, once the server has been offered a stream. */
  sendWaiting() {
    if (!this.#peer.offered) return;
    for (const question of this.#questions.unsent) {
      this.#send(this.#questions.markSent(question));
      this.#show(question);
    }
  }

  /** Take a message about a question. */
  receive(message) {
    const { question, reply } = this.#questions.receive(message);
    if (reply) this.#send(reply);
    if (!question) return;
    this.#model.observe(message);
    if (question.needsPicture && this.#peer.state !== "connected") this.#questions.retry(question);
    this.#show(question);
    if (question.open) return;
    this.#pin.questionEnded(question);
    this.#conversation.announce(question);
  }

  /** Stop the newest question. */
  cancel() {
    const question = this.#questions.newestOpen;
    if (!question) return;
    if (question.running) this.#send({ type: "cancel", id: question.id });
    question.fail({ code: "cancelled" });
    this.#conversation.announce(question);
    this.#show(question);
  }

  /** The session has ended: what it was asked is not answered any more. */
  failRunning() {
    for (const question of this.#questions.running) {
      question.fail({ code: "session_ended", detail: "The session ended before the answer." });
      this.#show(question);
    }
  }

  /** As before the first question; nothing is left of what was said. */
  clear() {
    this.#questions.clear();
    this.#conversation.clear();
    this.#composer.clear();
    this.#pin.release();
  }

  #ask(text) {
    const question = this.#questions.ask(text, this.#pin.frameOptions);
    this.#sheet.expand();
    this.#conversation.add(question, this.#waitingFor(question));
    this.sendWaiting();
    this.#onAsked();
  }

  #retry(question) {
    this.#questions.retry(question);
    this.sendWaiting();
    this.#show(question);
  }

  #show(question) {
    this.#conversation.show(question, this.#waitingFor(question));
    this.#composer.running = this.#questions.newestOpen !== null;
  }

  /** What a question that has no answer yet waits for. */
  #waitingFor({ position }) {
    const { socket, peer } = this.#facts.current;
    if (!this.#facts.watching) return "Start the camera to get an answer";
    if (socket === "retrying") return "Waiting for the connection…";
    if (peer !== "connected") return "Waiting for the first picture…";
    if (position > 1) return describeQueue(position);
    return "Looking…";
  }
}
