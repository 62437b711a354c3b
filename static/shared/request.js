/** Requests to QwenCam's own HTTP API. */

import { Refusal } from "./refusal.js";

/**
 * Send a request with JSON both ways.
 *
 * @param {string} path
 * @param {object} options
 * @param {string} options.method
 * @param {object} [options.body]
 * @param {object} [options.headers]
 * @param {string} options.unreachable the sentence for when no response comes.
 * @returns {Promise<object>} the response's body; empty where it has none.
 * @throws {Refusal}
 */
export async function requestJson(path, { method, body, headers = {}, unreachable }) {
  const token = document.querySelector('meta[name="csrf-token"]').content;
  const sent = { Accept: "application/json", "X-CSRFToken": token, ...headers };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: sent,
      credentials: "same-origin",
      cache: "no-store",
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Refusal({ code: "unreachable", detail: unreachable });
  }
  // A proxy in front answers in HTML when the server is away.
  const reply = await response.json().catch(() => ({}));
  if (response.ok) return reply;
  throw new Refusal({
    code: reply.error ?? "internal_error",
    detail: reply.detail ?? `The server answered ${response.status}.`,
    status: response.status,
    retryAfter: Number(response.headers.get("Retry-After")) || null,
  });
}
