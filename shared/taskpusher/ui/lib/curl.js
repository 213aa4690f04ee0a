/**
 * Calls as lines of curl, for a shell of POSIX: every text in single quotes, and none that curl would read as anything else.
 *
 * @typedef {import("./types.js").Job} Job
 */

import { urlOf } from "./api.js";

export const MASK = "[masked]";

/** @type {Record<string, string>} what a call carries whose job names no Content-Type, by the kind of its body */
const TYPES = { text: "text/plain; charset=utf-8", json: "application/json", base64: "application/octet-stream" };

/** Put a text in quotes, within which no shell looks. @param {string} text */
export const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * Return the call that a job makes of its target, but for the headers of TaskPusher's own; curl sends no body with HEAD.
 *
 * @param {Pick<Job, "method" | "url" | "headers" | "body" | "body_base64">} job
 */
export function ofCall({ method, url, headers, body, body_base64 }) {
  const parts = ["curl -i --globoff --path-as-is"];
  if (method === "HEAD") parts.push("--head");
  else parts.push(`-X ${quote(method)}`);
  const kind = method === "HEAD" ? "" : body_base64 !== null ? "base64" : typeof body === "string" ? "text" : body !== null ? "json" : "";
  const named = Object.keys(headers).map((name) => name.toLowerCase());
  const told = named.includes("content-type") || !kind ? [] : [["Content-Type", TYPES[kind] ?? ""]];
  for (const [name = "", value = ""] of [...told, ...Object.entries(headers)]) parts.push(`-H ${header(name, value)}`);
  const given = kind ? data(body_base64 ?? (kind === "text" ? String(body) : JSON.stringify(body)), kind === "base64") : null;
  if (given) parts.push(given.option);
  parts.push(quote(url));
  return (given?.before ?? "") + parts.join(" \\\n  ");
}

/** Return the add of a job. @param {Record<string, unknown>} fields */
export function ofAdd(fields) {
  const body = quote(JSON.stringify(fields));
  return [`curl -X POST ${quote(urlOf("add"))}`, "-H 'Content-Type: application/json'", `--data-raw ${body}`].join(" \\\n  ");
}

/** @param {string} name @param {string} value */
function header(name, value) {
  return quote(value.trim() === "" ? `${name};` : `${name}: ${value}`); // "Name:" would take it away
}

/**
 * Return how curl is given a body, and what stands before it: a body that no terminal takes as text goes as base64.
 *
 * @param {string} text
 * @param {boolean} is_base64
 */
function data(text, is_base64) {
  // eslint-disable-next-line no-control-regex -- it is these that are looked for
  const plain = !is_base64 && !/[\x00-\x08\x0b-\x1f\x7f]/.test(text);
  if (plain) return { before: "", option: `--data-raw ${quote(text)}` };
  const encoded = is_base64 ? text : base64(text);
  return { before: `printf %s ${quote(encoded)} | base64 -d | `, option: "--data-binary @-" };
}

/** @param {string} text */
function base64(text) {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}
