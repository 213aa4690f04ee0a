/**
 * The three numbers of a limit, of a queue as of a key: their fields, what is typed there, and what they say.
 *
 * @typedef {{concurrency: number | null, rate: number | null, per: number}} Numbers
 */

import { numberOf } from "./form.js";
import { short } from "./format.js";

/**
 * @param {Numbers | null} now
 * @returns {import("./form.js").Field[]}
 */
export function limitFields(now) {
  return [
    { name: "concurrency", label: "Calls at once", kind: "number", hint: "empty: any number", value: now?.concurrency },
    { name: "rate", label: "Calls begun", kind: "number", hint: "empty: any number", value: now?.rate },
    { name: "per", label: "in so many seconds", kind: "number", hint: "empty: 1", value: now && now.rate !== null ? now.per : null },
  ];
}

/** @param {import("./form.js").Values} values */
export function limitNumbers({ concurrency, rate, per }) {
  return { concurrency: numberOf(concurrency), rate: numberOf(rate), per: numberOf(per) };
}

/** @param {number} rate @param {number} per */
export const rateInWords = (rate, per) => (per === 1 ? `${short(rate)} a second` : `${short(rate)} in ${short(per)} s`);
