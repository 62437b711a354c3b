/** What an operator can change, as requests to the console's API. */

import { requestJson } from "../shared/request.js";

async function call(method, path, body) {
  try {
    return await requestJson(`/console/api/${path}`, { method, body, unreachable: "The server can’t be reached. Try again." });
  } catch (refusal) {
    if (refusal.status === 401) document.dispatchEvent(new Event("signed-out"));
    throw refusal;
  }
}

export const endSession = (id, note) => call("POST", `sessions/${id}/end`, { note });
export const endSessionsOf = (userId, note) => call("POST", `users/${userId}/end-sessions`, { note });
export const changeSetting = (name, value) => call("POST", `settings/${name}`, { value });
export const resetSetting = (name) => call("DELETE", `settings/${name}`);
