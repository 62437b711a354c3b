/** Brings each message of the server to the part of the page that it is for. */

import { setMessage } from "../shared/dom.js";

/** The errors of an offer that the server won't take. */
const OFFER_ERRORS = new Set([
  "offer_invalid",
  "offer_too_large",
  "audio_refused",
  "data_channel_refused",
  "video_missing",
  "too_many_tracks",
  "codec_unsupported",
]);

export class MessageRouter {
  #facts;
  #peer;
  #encoding;
  #chat;
  #live;
  #model;
  #notice;

  /** @param {object} parts the page's facts and parts, `notice` is the element of the operator's. */
  constructor({ facts, peer, encoding, chat, live, model, notice }) {
    this.#facts = facts;
    this.#peer = peer;
    this.#encoding = encoding;
    this.#chat = chat;
    this.#live = live;
    this.#model = model;
    this.#notice = notice;
  }

  /** @param {object} message of docs/protocol.md, "The socket". */
  receive(message) {
    switch (message.type) {
      case "ready":
        return this.#ready(message);
      case "answer":
        return this.#peer.acceptAnswer(message.sdp);
      case "stream":
        return this.#streamChanged(message);
      case "notice":
        return setMessage(this.#notice, message.text);
      case "live":
        this.#model.observe(message);
        return this.#live.show(message);
      case "error":
        return this.#failed(message);
      default:
        return this.#chat.receive(message);
    }
  }

  #ready({ limits }) {
    this.#encoding.setLimits(limits);
    this.#chat.socketReady(limits);
    this.#peer.signallingReady();
  }

  #streamChanged(stream) {
    this.#facts.update({ stream });
    if (["closed", "failed"].includes(stream.state)) this.#peer.lost();
  }

  #failed(message) {
    // Live mode's questions are the server's own: the page asked none of that name.
    if (message.id && !message.id.startsWith("live-")) return this.#chat.receive(message);
    if (OFFER_ERRORS.has(message.error)) return this.#peer.refuse(message.detail);
    if (message.error === "stream_failed") return this.#peer.lost();
    this.#model.observe(message);
    return this.#live.fail(message.detail);
  }
}
