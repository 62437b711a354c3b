/** Model servers, workers and GPUs: a card each. */

import { make } from "../shared/dom.js";
import { ago, count, gigabytes, share, unit } from "./format.js";

function valueList(pairs) {
  return make("dl", { className: "values" }, ...pairs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function card(testid, { title, tone, state, small }, pairs) {
  const head = make("p", { className: "card-head" },
    make("span", { className: "dot", "data-tone": tone, "aria-hidden": "true" }),
    make("strong", {}, title), " ", make("span", { className: "soft" }, state));
  return make("div", { className: "machine", "data-testid": testid }, head, small ? make("p", { className: "soft small-print" }, small) : null, valueList(pairs));
}

function empty(text) {
  return [make("p", { className: "empty" }, text)];
}

export function showServers(box, rows) {
  const cards = rows.map((server) =>
    card("server-card",
      { title: server.model ?? "Model server", tone: server.up ? "good" : "bad", state: server.up ? (server.version ? `vLLM ${server.version}` : "up") : "down", small: server.up ? server.url : `${server.url}: ${server.detail}` },
      server.up ? [
        ["Running", count(server.running)],
        ["Waiting", count(server.waiting)],
        ["KV cache", share(server.kv_cache_use)],
        ["Prefix hits", share(server.prefix_hit_rate)],
        ["Tokens/s", server.tokens_per_second === null ? "–" : server.tokens_per_second.toFixed(1)],
      ] : []));
  box.replaceChildren(...(cards.length ? cards : empty("No model server is configured.")));
}

export function showWorkers(box, rows, now) {
  const cards = rows.map((worker) =>
    card("worker-row", { title: worker.name, tone: "good", state: "" }, [
      ["Answering", `${count(worker.active)} of ${count(worker.pool)}`],
      ["Heard of", now - worker.seen_at < 2500 ? "now" : `${ago(worker.seen_at, now)} ago`],
    ]));
  box.replaceChildren(...(cards.length ? cards : empty("No worker has reported lately: questions are not answered.")));
}

export function showGpus(box, rows) {
  const cards = rows.map((gpu) =>
    card("gpu-card", { title: gpu.name, tone: "good", state: gpu.host }, [
      ["Use", share(gpu.use)],
      ["Memory", gpu.memory_total ? `${gigabytes(gpu.memory_used)} of ${gigabytes(gpu.memory_total)}` : "–"],
      ["Temperature", unit(gpu.temperature, "°C")],
      ["Power", unit(gpu.power, "W")],
    ]));
  box.replaceChildren(...(cards.length ? cards : empty("No GPU on the workers’ hosts.")));
}
