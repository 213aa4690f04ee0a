/**
 * The form of a queue's settings: what stands in its fields, and what is made of them for PUT /queues/{name}.
 *
 * @typedef {import("../lib/types.js").Queue} Queue
 * @typedef {import("../lib/form.js").Field} Field
 * @typedef {import("../lib/form.js").Values} Values
 */

import { Problem } from "../lib/api.js";
import { numberOf } from "../lib/form.js";
import { limitFields, limitNumbers } from "../lib/limit.js";

const MASKED = "[masked]"; // what the node shows in the place of a secret, and would take for one
const GROUP = "For adds that do not say it";

/** @type {Field[]} */
const DEFAULTS = [
  { name: "method", label: "Method", props: { placeholder: "GET" } },
  { name: "priority", label: "Priority", kind: "number", hint: "-100 to 100, higher first" },
  { name: "timeout", label: "Timeout", kind: "number", hint: "seconds for a call" },
  { name: "max_attempts", label: "Tries", kind: "number", hint: "calls that may have reached it" },
  { name: "unreached_attempts", label: "Tries when not reached", kind: "number" },
  { name: "success", label: "Success", hint: "statuses: 200, 2xx" },
  { name: "ttl", label: "Time to live", kind: "number", hint: "seconds until a try must have begun" },
  { name: "redirects", label: "Redirects", kind: "number", hint: "0 to 10" },
  { name: "redact", label: "Also masked", hint: "names, with commas between" },
  { name: "backoff", label: "Backoff", hint: 'delays: [10, 60, 600], or {"initial": 1, "factor": 2}' },
  { name: "headers", label: "Headers", kind: "area", hint: "a line for each: Name: value" },
];

/** What is typed as JSON, as lines, as names; the rest as a text or a number. @type {Record<string, (typed: string) => unknown>} */
const READ = { backoff: json, headers, redact: names };
/** @type {Record<string, (value: any) => string>} */
const WRITE = {
  backoff: (value) => JSON.stringify(value),
  headers: (value) => Object.entries(value).map(([name, text]) => `${name}: ${text}`).join("\n"),
  redact: (value) => value.join(", "),
};

/**
 * Return the fields, filled with the settings of a queue where there is one.
 *
 * @param {Queue | null} queue
 * @returns {Field[]}
 */
export function queueFields(queue) {
  const defaults = DEFAULTS.map((field) => {
    const value = queue?.defaults[field.name];
    const said = value === undefined || value === null ? "" : (WRITE[field.name] ?? String)(value);
    return { ...field, name: `defaults.${field.name}`, group: GROUP, value: said };
  });
  return [...limitFields(queue), ...defaults];
}

/**
 * Return what PUT /queues/{name} takes: all settings, and the version that they were made from.
 *
 * @param {Values} values
 * @param {Queue | null} queue
 */
export function queueBody(values, queue) {
  const typed = DEFAULTS.flatMap(({ name, kind }) => {
    const said = values[`defaults.${name}`] ?? "";
    const value = (READ[name] ?? (kind === "number" ? numberOf : String))(said);
    return said.trim() === "" ? [] : [[name, value]];
  });
  const defaults = Object.fromEntries(typed);
  if (Object.values(defaults.headers ?? {}).includes(MASKED)) throw masked();
  return {
    ...limitNumbers(values),
    scope: queue?.scope ?? null,
    version: queue?.version ?? 0,
    defaults: typed.length > 0 ? defaults : null,
  };
}

function masked() {
  const rule = `type anew what is shown as ${MASKED}, for it is all that is known of it here`;
  return new Problem({ type: "invalid-field", title: "Fields break their rules", status: 422, errors: [{ path: "defaults.headers", rule }] });
}

/** @param {string} typed */
function json(typed) {
  try {
    return JSON.parse(typed);
  } catch {
    return typed; // the node says what it must be
  }
}

/** @param {string} typed */
function headers(typed) {
  const lines = typed.split("\n").filter((line) => line.trim() !== "");
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf(":");
    return at < 0 ? [line.trim(), ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

/** @param {string} typed */
function names(typed) {
  return typed.split(",").map((name) => name.trim()).filter(Boolean);
}
