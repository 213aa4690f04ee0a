/**
 * The calls of a job that have ended, newest first: each can be opened, and stays open over polls.
 *
 * @typedef {import("../../lib/types.js").Job} Job
 * @typedef {import("../../lib/types.js").Attempt} Attempt
 */

import { h, keyed, put, text } from "../../lib/dom.js";
import { duration, setTime, timeNode } from "../../lib/format.js";
import { content, headers } from "./content.js";

/** Return {node, update(job)}. */
export function attempts() {
  const title = h("h3");
  const list = h("ol", { class: "attempts" });
  const node = h("section", { class: "job-section", hidden: true }, title, list);
  return {
    node,
    /** @param {Job} job */
    update(job) {
      node.hidden = job.attempts.length === 0;
      const all = job.attempts.length >= job.attempt - (job.state === "running" ? 1 : 0);
      text(title, all ? "Attempts" : `The last ${job.attempts.length} attempts`);
      keyed(list, job.attempts, { key: ({ n }) => String(n), make: row, update: (made, attempt) => made.update(attempt) });
    },
  };
}

/** @param {Attempt} attempt */
function row(attempt) {
  const [outcome, at, more] = [h("span", { class: "attempt-outcome" }), timeNode(), h("div", { class: "attempt-more" })];
  const took = h("span", { class: "figure" });
  const summary = h("summary", null, h("span", { class: "attempt-n" }, `Call ${attempt.n}`), outcome, took, at);
  let shown = "";
  return {
    node: h("li", null, h("details", null, summary, more)),
    /** @param {Attempt} told */
    update(told) {
      setTime(at, told.started_at);
      const now = JSON.stringify(told);
      if (now === shown) return; // what is open keeps its place and selection
      shown = now;
      const status = told.response && told.outcome === "answered" ? `answered ${told.response.status}` : told.outcome;
      text(outcome, status);
      outcome.classList.toggle("failed", told.error !== null);
      text(took, duration(told.duration));
      put(more, details(told));
    },
  };
}

/** @param {Attempt} attempt */
function details({ n, error, response }) {
  const parts = error === null ? [] : [h("p", { class: "row-error" }, error)];
  if (!response) return [...parts, h("p", { class: "job-kind" }, "There was no answer.")];
  const cut = response.truncated ? h("p", { class: "job-kind" }, "Of the answer to an attempt only the beginning is kept.") : null;
  return [
    ...parts,
    h("p", { class: "job-kind" }, `Status ${response.status}`),
    headers(response.headers),
    ...content(`Answer to call ${n}`, response.body, response.body_base64),
    cut,
  ];
}
