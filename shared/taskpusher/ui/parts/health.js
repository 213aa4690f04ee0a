/**
 * How the node is, in a sentence, and what to do about it; read out when it changes.
 *
 * @typedef {import("../lib/types.js").Ready} Ready
 * @typedef {{ready: Ready | null, problem: import("../lib/api.js").Problem | null, running: number, missing: string[]}} Known
 *   what is known: the last answer of /ready, and why the numbers could not be had
 * @typedef {{tone: "ok" | "busy" | "bad", said: string, advice: string, drained?: boolean}} Words
 */

import { post } from "../lib/api.js";
import { h, icon, put, text } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { inWords as sentence, say } from "../lib/notice.js";
import { act } from "../lib/role.js";

const ICONS = {
  ok: "M3 8.5l3.4 3.4L13 4.6",
  busy: "M8 1.8a6.2 6.2 0 1 0 .01 0M8 4.5V8l2.5 1.8",
  bad: "M8 1.8L14.6 13.6H1.4zM8 6v3.6M8 11.4v.2",
};

const AGAIN = "It is asked again every few seconds, and what is shown is old";

/** Return {node, update(known)}. */
export function health() {
  const mark = h("span", { class: "health-mark" });
  const said = h("strong");
  const advice = h("span", { class: "health-advice" });
  const between = h("span");
  const acts = h("span", { class: "health-acts" });
  const warnings = h("ul", { class: "health-warnings" });
  const line = h("p", { class: "health-line", role: "status" }, mark, said, between, advice);
  const node = h("div", { class: "health" }, h("div", { class: "health-now" }, line, acts), warnings);
  let tone = "";
  /** @param {Known} known */
  function update(known) {
    const words = inWords(known);
    if (tone !== words.tone) {
      tone = words.tone;
      node.dataset.tone = tone;
      put(mark, icon(ICONS[words.tone]));
    }
    if (Boolean(words.drained) !== acts.hasChildNodes()) put(acts, words.drained && act("Take new jobs again", "POST", "/resume", resume));
    text(said, words.said);
    text(between, words.advice ? ". " : "");
    text(advice, words.advice);
    const told = Object.entries(known.problem ? {} : (known.ready?.warnings ?? {}));
    if (warnings.textContent !== told.map(([topic, why]) => `${topic}: ${why}`).join("")) {
      put(warnings, told.map(([topic, why]) => h("li", null, `${topic}: ${why}`)));
    }
  }
  return { node, update };
}

async function resume() {
  await post("resume");
  say("The node takes new jobs again");
}

/**
 * @param {Known} known
 * @returns {Words}
 */
export function inWords({ ready, problem, running, missing }) {
  if (problem?.status === 401) return bad("Not let in", "Load the page again and give user and password");
  if (problem?.type === "forbidden") return bad("Your credentials may add jobs, not look at them", "A token of the role read may look");
  if (ready === null && problem === null) return { tone: "busy", said: "Asking the node", advice: "" };
  if (ready === null) return bad("The node does not answer", `${problem?.status ? `${problem.detail}.` : "Is it running?"} ${AGAIN}`);
  if (missing.length > 0) return bad(`${missing.join(", ")} did not answer`, "Counts and lists are partial");
  const reason = ready.reason ?? "";
  if (problem && ready.state === "ready") return bad("The numbers cannot be had", `${sentence(problem)}. ${AGAIN}`);
  switch (ready.state) {
    case "ready":
      return { tone: "ok", said: "Ready", advice: "" };
    case "starting":
      return { tone: "busy", said: "Starting", advice: "The store is being opened; wait" };
    case "draining":
      return { tone: "busy", said: "Draining: no new jobs are taken", advice: "All else goes on", drained: true };
    case "stopping":
      return { tone: "busy", said: `Stopping: ${plural(running, "call")} running`, advice: "New jobs are kept for the next start" };
    case "stalled":
      return bad("The store cannot write at the moment", "It passes by itself; if it comes back, use a faster disk or send fewer jobs");
    case "disk-low":
      return bad("The disk is nearly full, no new jobs are taken", `${reason}. Make room: it ends by itself`);
    case "unreachable":
      return bad("No node is ready, no new jobs are taken", "Look which nodes are down");
    case "failed":
      return bad(`The store ${reason}`, "Look after the disk and start the node again");
    default:
      return bad(ready.state, reason); // of a newer node
  }
}

/** @param {string} said @param {string} advice @returns {Words} */
const bad = (said, advice) => ({ tone: "bad", said, advice });
