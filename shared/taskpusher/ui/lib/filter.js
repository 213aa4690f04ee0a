/**
 * The filter box: `queue:mail status:500 meta.user:7` to and from the parameters of a listing.
 *
 * @typedef {{query: Record<string, string>, uid: string | null, wrong: string | null}} Parsed
 *   `uid`: one job is looked for, whatever else is given: no listing is meant; `wrong`: what cannot be understood, in words: then `query` says less than was meant,
 *   and nothing may be asked for or changed by it
 */

import { now } from "./format.js";

export const NAMES = ["queue", "host", "status", "error", "group", "key", "since", "until"];

const UID = /^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}-[a-z0-9-]{1,32}$/;
const PART = /([a-z]+(?:\.[^:\s"]+)?):(?:"((?:[^"\\]|\\.)*)"(?=\s|$)|(\S*))|(\S+)/g;
const AGO = /^([+-]?)(\d{1,6})([smhd])$/;
const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * @param {string} text
 * @returns {Parsed}
 */
export function parse(text) {
  /** @type {Parsed} */
  const parsed = { query: {}, uid: null, wrong: null };
  for (const { name, value } of parts(text)) {
    if (name === "uid" || (name === null && UID.test(value))) parsed.uid = value;
    else parsed.wrong ??= mistake(name, value, parsed.query);
    if (name !== null && name !== "uid") parsed.query[name] = value;
  }
  return parsed;
}

/**
 * Return what is wrong with a part, null where it can be asked for.
 *
 * @param {string | null} name
 * @param {string} value
 * @param {Record<string, string>} before
 */
function mistake(name, value, before) {
  if (name === null) return `${value}: say what it is, as in queue:${value}, or paste a whole uid`;
  if (!NAMES.includes(name) && !name.startsWith("meta.")) return `${name}: not known; there is ${NAMES.join(", ")}, meta.NAME and uid`;
  if (value === "") return `${name}: say which`;
  return name in before ? `${name}: only once` : null;
}

/**
 * @param {string} text
 * @returns {Generator<{name: string | null, value: string}>}
 */
function* parts(text) {
  for (const word of text.matchAll(PART)) {
    const [, name, quoted, plain, rest] = word;
    if (name === undefined) yield { name: null, value: rest ?? "" };
    else yield { name, value: quoted !== undefined ? quoted.replace(/\\(.)/g, "$1") : (plain ?? "") };
  }
}

/**
 * Return the text that `parse` makes this query of.
 *
 * @param {Record<string, string>} query
 */
export function stringify(query) {
  return Object.entries(query)
    .map(([name, value]) => `${name}:${/^[^\s"]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`}`)
    .join(" ");
}

/**
 * Return what is asked of the API: times such as since:1h (an hour ago) and until:+30m (in half an hour) become absolute.
 *
 * @param {Record<string, string>} query
 */
export function absolute(query) {
  const asked = { ...query };
  for (const name of ["since", "until"]) {
    const [, sign, digits, unit] = AGO.exec(asked[name] ?? "") ?? [];
    if (!unit) continue;
    const by_ms = Number(digits) * UNITS_MS[/** @type {"s" | "m" | "h" | "d"} */ (unit)];
    asked[name] = new Date(now() + (sign === "+" ? by_ms : -by_ms)).toISOString();
  }
  return asked;
}
