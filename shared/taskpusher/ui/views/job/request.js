/**
 * What is sent: headers and body; what is secret is masked until somebody who may asks for it.
 *
 * @typedef {import("../../lib/types.js").Job} Job
 */

import { MASK } from "../../lib/curl.js";
import { h } from "../../lib/dom.js";
import { act } from "../../lib/role.js";
import { box, content, headers } from "./content.js";
import { pretty } from "../../lib/exact.js";
import { section } from "./section.js";

/**
 * Return {node, update(job, revealed)}.
 *
 * @param {() => Promise<void>} reveal shows the secrets, or hides them again
 */
export function requestSection(reveal) {
  const { node, update } = section("Request", (/** @type {ReturnType<typeof shown>} */ told) => draw(told, reveal));
  return {
    node,
    /** @param {Job} job as it is shown to everybody @param {Job | null} revealed with its secrets */
    update: (job, revealed) => update(shown(job, revealed)),
  };
}

/** @param {Job} job @param {Job | null} revealed */
function shown(job, revealed) {
  const { method, url, headers, body, body_base64, meta } = revealed ?? job;
  return { method, url, headers, body, body_base64, meta, masked: isMasked(job), revealed: revealed !== null };
}

/** Tell whether something of a job's request is not shown. @param {Job} job */
export function isMasked({ url, headers, callback, response }) {
  return JSON.stringify([url, headers, callback?.url, callback?.headers, response?.headers]).includes(MASK);
}

/**
 * @param {ReturnType<typeof shown>} told
 * @param {() => Promise<void>} reveal
 */
function draw(told, reveal) {
  const pairs = Object.entries(told.headers);
  const is_meta = told.meta !== null && typeof told.meta === "object" && Object.keys(told.meta).length > 0;
  const button = told.masked ? act(told.revealed ? "Mask secrets" : "Show secrets", "GET", "/job/{uid}", reveal) : null;
  const parts = [
    h("p", { class: "request-line" }, h("span", { class: "method" }, told.method), " ", told.url),
    pairs.length > 0 ? headers(pairs) : null,
    button && h("p", { class: "secrets" }, told.revealed ? "Secrets are shown. " : "Secrets are masked. ", button),
    ...content("Body of the request", told.body, told.body_base64),
    is_meta && h("p", { class: "job-kind" }, "Meta"),
    is_meta && box(pretty(told.meta), "Meta"),
  ];
  return parts.filter((part) => part instanceof Node);
}
