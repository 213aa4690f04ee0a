/**
 * The filter box: `queue:mail status:500 meta.user:7` to and from the parameters of a listing.
 *
 * @typedef {{query: Record<string, string>, uid: string | null, wrong: string | null}} Parsed
 *   `uid`: one job is looked for; `wrong`: what cannot be understood, in words
 */

export const NAMES = ["queue", "host", "status", "error", "group", "key", "since", "until"];

const UID = /^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}-[a-z0-9-]{1,32}$/;
const PART = /([a-z]+(?:\.[^:\s"]+)?):(?:"((?:[^"\\]|\\.)*)"|(\S+))|(\S+)/g;

/**
 * @param {string} text
 * @returns {Parsed}
 */
export function parse(text) {
  /** @type {Parsed} */
  const parsed = { query: {}, uid: null, wrong: null };
  for (const part of parts(text)) {
    if (part.name === "uid" || (part.name === null && UID.test(part.value))) parsed.uid = part.value;
    else if (part.name === null) parsed.wrong ??= `${part.value}: say what it is, as in queue:${part.value}, or paste a whole uid`;
    else if (NAMES.includes(part.name) || part.name.startsWith("meta.")) parsed.query[part.name] = part.value;
    else parsed.wrong ??= `${part.name}: there is ${NAMES.join(", ")}, meta.NAME and uid`;
  }
  return parsed;
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
