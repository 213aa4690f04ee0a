/**
 * Why a job does not run now: the sentence of the node, and its facts with the ways to what holds the job.
 *
 * @typedef {import("../../lib/types.js").Why} Why
 */

import { h } from "../../lib/dom.js";
import { absolute } from "../../lib/format.js";
import { toJob, toJobs, toLimit, toTarget } from "./links.js";
import { section } from "./section.js";

const TIME = /(\d{4}-\d\d-\d\dT[\d:.]+Z)/;
/** @type {Record<string, string>} */
const LABELS = {
  queue: "Queue", limit: "Limit", host: "Target", first: "First of its line", uid: "Follows", held_by: "Held by",
  by: "By", since: "Since", until: "Until", next_probe: "Next probe", next_at: "Next call", ahead: "Ahead of it",
  running: "Calls running", concurrency: "Calls at once", rate: "Rate", per: "Per", busy: "Slots busy", hosts: "Calls by host",
};
const OF_JOB = ["due_at", "tries", "unreached", "snoozes", "snoozed", "started_at", "call", "lease_until", "progress", "reason"];

/** Return {node, update(why)}. */
export function whySection() {
  return section("Why it waits", (/** @type {Why | null} */ why) => (why ? draw(why) : []));
}

/** @param {Why} why */
function draw(why) {
  const rows = Object.entries(why.facts)
    .filter(([name, value]) => !OF_JOB.includes(name) && value !== null && value !== false && String(value) !== "")
    .map(([name, value]) => h("div", null, h("dt", null, LABELS[name] ?? name.replaceAll("_", " ")), h("dd", null, fact(name, value, why))));
  const sentence = h("p", { class: "why" }, capital(why.why).split(TIME).map((part) => (TIME.test(part) ? absolute(part) : part)));
  return rows.length > 0 ? [sentence, h("dl", { class: "facts" }, rows)] : [sentence];
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * @param {string} name
 * @param {unknown} value
 * @param {Why} why
 * @returns {(Node | string)[]}
 */
function fact(name, value, why) {
  const text = String(value);
  switch (name) {
    case "queue":
      return [toJobs(text, { queue: text })];
    case "limit": // where the slots are meant it is how many there are
      return [why.facts.reason === "slots" || why.facts.reason === "reserve" || "host" in why.facts ? text : toLimit(text)];
    case "host":
      return [toTarget(text)];
    case "first":
    case "uid":
      return [toJob(text)];
    case "held_by":
      return Array.isArray(value) ? value.flatMap((uid) => [toJob(String(uid)), " "]) : [text];
    case "hosts":
      return Object.entries(/** @type {object} */ (value)).flatMap(([host, calls]) => [toTarget(host), ` ${calls} `]);
    default:
      return [TIME.test(text) ? absolute(text) : typeof value === "object" ? JSON.stringify(value) : text];
  }
}
