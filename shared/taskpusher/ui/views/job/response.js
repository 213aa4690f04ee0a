/**
 * The last answer of a job's target, as text whatever it says.
 *
 * @typedef {import("../../lib/types.js").Job} Job
 * @typedef {import("../../lib/types.js").Response} Response
 */

import { h } from "../../lib/dom.js";
import { content, headers } from "./content.js";
import { section } from "./section.js";

/** Return {node, update(job)}. */
export function responseSection() {
  const { node, update } = section("Response", draw);
  return { node, update: (/** @type {Job} */ job) => update(job.response) };
}

/** @param {Response | null} response */
function draw(response) {
  if (response === null) return [];
  const names = response.headers.length;
  const parts = [
    h("p", null, h("strong", null, String(response.status))),
    ...content("Body of the response", response.body, response.body_base64),
  ];
  if (response.truncated) parts.push(h("p", { class: "job-cut" }, "Cut off here: the answer was longer than the node keeps."));
  if (names > 0) parts.push(h("details", null, h("summary", null, `Headers (${names})`), headers(response.headers)));
  return parts;
}
