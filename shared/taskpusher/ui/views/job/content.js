/** Bodies and headers of requests and answers, as text whatever they say: JSON is laid out, bytes are shown as base64. */

import { h } from "../../lib/dom.js";
import { parse, pretty } from "../../lib/exact.js";
import { bytes } from "../../lib/format.js";
import { MASK } from "../../lib/curl.js";

/** Return a box of text that scrolls within itself. @param {string} text @param {string} label @param {string} [more] */
export function box(text, label, more = "") {
  return h("pre", { class: `job-text ${more}`, tabindex: 0, role: "group", "aria-label": label }, text);
}

/**
 * Return a body with a line that says what it is.
 *
 * @param {string} label
 * @param {unknown} body a text, any other JSON, or null
 * @param {string | null} body_base64
 * @returns {Node[]} nothing where there is none
 */
export function content(label, body, body_base64) {
  if (body_base64 !== null) {
    const size = Math.floor((body_base64.replaceAll("=", "").length * 3) / 4);
    return [kind(`Bytes, ${bytes(size)}, as base64`), box(body_base64, label, "job-base64")];
  }
  if (body === null) return [];
  if (typeof body !== "string") return [kind("JSON"), box(pretty(body), label)];
  if (body === "") return [kind("Empty")];
  const size = bytes(new TextEncoder().encode(body).length);
  const laid_out = layOut(body);
  return laid_out === null ? [kind(`Text, ${size}`), box(body, label)] : [kind(`JSON, ${size}`), box(laid_out, label)];
}

/** Return an object or a list in lines, null where a text is neither. @param {string} text */
function layOut(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    return pretty(parse(text));
  } catch {
    return null; // such as JSON that was cut off
  }
}

/** @param {string} said */
const kind = (said) => h("p", { class: "job-kind" }, said);

/**
 * Return headers as a list of names and values, of which those that are masked say so.
 *
 * @param {[string, string][]} pairs
 */
export function headers(pairs) {
  const rows = pairs.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, shown(value))));
  return h("dl", { class: "job-headers" }, rows);
}

/** @param {string} value */
function shown(value) {
  return value === MASK ? h("span", { class: "masked" }, "masked") : value;
}
