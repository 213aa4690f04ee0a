/**
 * What can be done to jobs by hand: its words, its calls, and the states it takes.
 *
 * @typedef {"retry" | "run" | "cancel" | "delete"} Verb
 * @typedef {"GET" | "POST" | "DELETE"} Method
 * @typedef {object} VerbInfo
 * @property {string} word
 * @property {string} doing
 * @property {string} done
 * @property {readonly [string, string]} one the call for one job, as /openapi.json spells it
 * @property {readonly [string, string] | null} many the call for all that match; null where there is none
 * @property {string} icon
 */

import { del, post } from "./api.js";
import { isFinished } from "./states.js";

/** @type {Record<Verb, VerbInfo>} */
export const VERBS = {
  retry: {
    word: "Retry", doing: "Retrying", done: "Retried", icon: "M13.2 8a5.2 5.2 0 1 1-1.6-3.8M13.4 1.6v3.2h-3.2",
    one: ["POST", "/job/{uid}/retry"], many: ["POST", "/jobs/{state}/retry"],
  },
  run: {
    word: "Run now", doing: "Starting", done: "Made ready", icon: "M5 3l7.5 5L5 13z",
    one: ["POST", "/job/{uid}/run"], many: null,
  },
  cancel: {
    word: "Cancel", doing: "Cancelling", done: "Cancelled", icon: "M8 1.8a6.2 6.2 0 1 0 .01 0M3.7 12.3l8.6-8.6",
    one: ["POST", "/job/{uid}/cancel"], many: ["POST", "/jobs/{state}/cancel"],
  },
  delete: {
    word: "Delete", doing: "Deleting", done: "Deleted", icon: "M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4M6.7 6.8v4M9.3 6.8v4",
    one: ["DELETE", "/job/{uid}"], many: ["DELETE", "/jobs/{state}"],
  },
};

/** Return what jobs in a state take. @param {string} state @returns {Verb[]} */
export function verbsOf(state) {
  if (isFinished(state)) return ["retry", "delete"];
  return state === "scheduled" ? ["run", "cancel"] : ["cancel"];
}

/**
 * Do a verb to one job; returns the job as it is then, null where it is deleted.
 *
 * @param {Verb} verb
 * @param {string} uid
 * @returns {Promise<import("./types.js").JobListed | null>}
 */
export function act(verb, uid) {
  const path = `job/${encodeURIComponent(uid)}`;
  return verb === "delete" ? del(path) : post(`${path}/${verb}`);
}
