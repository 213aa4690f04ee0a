/**
 * The facts of a job: what it was given and what has become of it, in words, with the ways to what it has to do with.
 *
 * @typedef {import("../../lib/types.js").Job} Job
 * @typedef {{label: string, said: string, link?: () => HTMLElement, time?: string, share?: number | null}} Fact
 */

import { h, keyed, put } from "../../lib/dom.js";
import { absolute, count, duration, percent, plural, setTime, timeNode } from "../../lib/format.js";
import { toJob, toJobs, toLimit } from "./links.js";

/** Return {node, update(job)}. */
export function facts() {
  const list = h("dl", { class: "facts" });
  const node = h("section", { class: "job-section" }, h("h3", null, "Facts"), list);
  return {
    node,
    /** @param {Job} job */
    update(job) {
      keyed(list, factsOf(job), { key: ({ label }) => label, make: row, update: (made, fact) => made.update(fact) });
    },
  };
}

function row() {
  const [label, value] = [h("dt"), h("dd")];
  let shown = "";
  return {
    node: h("div", null, label, value),
    /** @param {Fact} fact */
    update(fact) {
      const now = JSON.stringify(fact);
      if (now === shown) return; // a link keeps its focus
      shown = now;
      put(label, fact.label);
      put(value, draw(fact));
    },
  };
}

/** @param {Fact} fact */
function draw({ label, said, link, time, share }) {
  const bar = typeof share === "number" ? h("progress", { value: share, "aria-label": label }) : null;
  const at = time === undefined ? null : timeNode();
  if (at) setTime(at, time ?? null);
  return [link ? link() : said, bar && " ", bar, at && " ", at].filter((part) => part !== null);
}

/** @param {Job} job @returns {Fact[]} those that there are */
export function factsOf(job) {
  return [...placed(job), ...ran(job), ...rules(job), ...told(job)].filter(({ said }) => said !== "");
}

/** @param {Job} job @returns {Fact[]} */
function placed(job) {
  const { queue, key, limit, callback_of } = job;
  return [
    { label: "Queue", said: queue, link: () => toJobs(queue, { queue }) },
    { label: "Priority", said: String(job.priority) },
    { label: "Key", said: `${key ?? ""}${job.ordered ? " (one at a time, in order)" : ""}` },
    { label: "Limit", said: limit ? limitInWords(limit) : "", link: () => toLimit(limit?.key ?? "", limit ? limitInWords(limit) : "") },
    { label: "Unique", said: job.unique === null ? "" : `${job.unique} (on conflict: ${job.on_conflict})` },
    { label: "Idempotency key", said: job.idempotency_key ?? "" },
    { label: "Callback of", said: callback_of ?? "", link: () => toJob(callback_of ?? "") },
    { label: "Held by", said: { order: "another job of its ordered key", unique: "another job of its unique text" }[job.held_by ?? ""] ?? "" },
  ];
}

/** @param {Job} job @returns {Fact[]} */
function ran(job) {
  const { progress, lease_until } = job;
  const come = progress && [progress.percent === null ? null : percent(progress.percent / 100), progress.note].filter(Boolean).join(": ");
  return [
    { label: "Tries", said: `${count(job.tries)} of ${count(job.max_attempts)}` },
    { label: "Not reached", said: job.unreached ? `${count(job.unreached)} of ${count(job.unreached_attempts)}` : "" },
    { label: "Snoozes", said: job.snoozes ? count(job.snoozes) : "" },
    { label: "Crashes", said: job.crashes ? plural(job.crashes, "time it ran when the node crashed", "times it ran when the node crashed") : "" },
    { label: "Progress", said: come || (progress ? "heard of" : ""), ...(typeof progress?.percent === "number" && { share: progress.percent / 100 }), ...(progress?.at && { time: progress.at }) },
    { label: "Lease until", said: lease_until ? absolute(lease_until) : "", ...(lease_until && { time: lease_until }) },
  ];
}

/** @param {Job} job @returns {Fact[]} */
function rules(job) {
  return [
    { label: "Timeout", said: duration(job.timeout) },
    { label: "Time to live", said: job.ttl === null ? "" : duration(job.ttl) },
    { label: "Backoff", said: backoffInWords(job.backoff) },
    { label: "Success", said: job.success },
    { label: "Redirects", said: job.redirects ? `follows ${job.redirects}` : "" },
    { label: "Redacted", said: job.redact.join(", ") },
  ];
}

/** @param {Job} job @returns {Fact[]} */
function told({ callback, delay, run_at, added_at, node }) {
  const said = callback ? `${callback.url} on ${callback.on.join(", ")}` : "";
  return [
    { label: "Callback", said, link: () => toJobs(said, { queue: "callbacks" }) },
    { label: "Delay", said: delay === null ? "" : duration(delay) },
    { label: "Run at", said: run_at === null ? "" : absolute(run_at) },
    { label: "Added", said: added_at ? absolute(added_at) : "", ...(added_at && { time: added_at }) },
    { label: "Node", said: node },
  ];
}

/** @param {NonNullable<Job["limit"]>} limit */
function limitInWords({ key, concurrency, rate, per }) {
  const calls = concurrency === null ? null : `${plural(concurrency, "call")} at once`;
  const begun = rate === null ? null : `${rate} begun in ${duration(per)}`;
  return `${key}: ${[calls, begun].filter(Boolean).join(", ")}`;
}

/** @param {Job["backoff"]} backoff */
export function backoffInWords(backoff) {
  if (Array.isArray(backoff)) {
    const last = backoff.length - 1;
    return backoff.map((delay, n) => `${duration(delay)}${n === last ? " each time" : ""}`).join(", then ");
  }
  const { initial, factor, max, jitter } = /** @type {Record<"initial" | "factor" | "max" | "jitter", number>} */ (backoff);
  const grows = factor === 1 ? "each time" : `then ${factor} times as long each`;
  return `${duration(initial)}, ${grows}, at most ${duration(max)}${jitter ? `; each less a random share up to ${percent(jitter)}` : ""}`;
}
