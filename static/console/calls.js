/** What an operator does, as calls to the server. */

/** A call that was refused; the message is the server's sentence. */
export class Refused extends Error {
  constructor(code, detail) {
    super(detail);
    this.code = code;
  }
}

async function call(method, path, body) {
  const token = document.querySelector('meta[name="csrf-token"]').content;
  let reply;
  try {
    reply = await fetch(`/console/api/${path}`, {
      method,
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refused("unreachable", "The server can’t be reached. Try again.");
  }
  if (reply.status === 204) return null;
  const content = await reply.json().catch(() => ({}));
  if (reply.ok) return content;
  if (reply.status === 401) document.dispatchEvent(new Event("signed-out"));
  throw new Refused(content.error ?? "error", content.detail ?? `The server answered ${reply.status}.`);
}

export const endSession = (id, note) => call("POST", `sessions/${id}/end`, { note });
export const endSessionsOf = (userId, note) => call("POST", `users/${userId}/end-sessions`, { note });
export const changeSetting = (name, value) => call("POST", `settings/${name}`, { value });
export const resetSetting = (name) => call("DELETE", `settings/${name}`);
