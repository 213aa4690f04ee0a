/**
 * Changes many jobs: counts them first, asks, and shows how far it is, with a way to stop.
 *
 * @typedef {"retry" | "cancel" | "delete"} Verb
 * @typedef {object} Bulk
 * @property {Verb} verb
 * @property {string} state as the path of a listing spells it: errors
 * @property {Record<string, string>} params the filters of the listing
 * @property {number} [count] how many they are, where that is known; else they are counted
 * @property {string} [detail] what else is to be known before somebody agrees
 * @typedef {{done: number, more: boolean}} Step
 */

import { del, post, withQuery } from "./api.js";
import { ask } from "./dialog.js";
import { count as number, now, plural } from "./format.js";
import * as notice from "./notice.js";

const AT_ONCE = 500; // jobs changed by a call: so that it is seen to go on

/** @type {Record<Verb, {word: string, doing: string, done: string, method: string, path: string}>} */
const VERBS = {
  retry: { word: "Retry", doing: "Retrying", done: "Retried", method: "POST", path: "/jobs/{state}/retry" },
  cancel: { word: "Cancel", doing: "Cancelling", done: "Cancelled", method: "POST", path: "/jobs/{state}/cancel" },
  delete: { word: "Delete", doing: "Deleting", done: "Deleted", method: "DELETE", path: "/jobs/{state}" },
};

/** Return the call of a verb as /openapi.json spells it, for `act` and `can`: [method, path]. @param {Verb} verb */
export const bulkCall = (verb) => /** @type {const} */ ([VERBS[verb].method, VERBS[verb].path]);

/**
 * Change all jobs of a state that match, once somebody has agreed; tells how it went.
 *
 * @param {Bulk} bulk
 * @returns {Promise<number>} how many were changed
 */
export async function bulk({ verb, state, params, count, detail }) {
  const { word, doing, done } = VERBS[verb];
  // Only what was there when it was counted; scheduled jobs are listed by when they are due, not by when they came.
  const frozen = state === "scheduled" || params.until ? params : { ...params, until: new Date(now()).toISOString() };
  const total = count ?? (await counted(verb, state, frozen));
  if (total === null) return 0;
  if (total === 0) {
    notice.say("No job matches any more");
    return 0;
  }
  if (!(await ask({ verb: word, what: plural(total, "job"), count: total, detail }))) return 0;
  const next = walk(verb, state, frozen);
  return progress({ doing, done, total, next });
}

/**
 * Count what matches, which takes several calls when it is much; null when somebody stopped it.
 *
 * @param {Verb} verb
 * @param {string} state
 * @param {Record<string, string>} params
 */
async function counted(verb, state, params) {
  const next = walk(verb, state, { ...params, dry_run: "true" }, 1_000);
  const bar = notice.working("Counting");
  try {
    let total = 0;
    for (let more = true; more; ) {
      const step = await next();
      total += step.done;
      more = step.more;
      bar.update(`Counting: ${number(total)}`);
      if (bar.stopped) return null;
    }
    return total;
  } finally {
    bar.close();
  }
}

/**
 * Return a function whose every call changes some more of what matches.
 *
 * @param {Verb} verb
 * @param {string} state
 * @param {Record<string, string>} params
 * @param {number} [limit]
 * @returns {() => Promise<Step>}
 */
function walk(verb, state, params, limit = AT_ONCE) {
  /** @type {string | null} */
  let last_uid = null;
  const path = verb === "delete" ? `jobs/${state}` : `jobs/${state}/${verb}`;
  return async () => {
    const url = withQuery(path, { ...params, limit, last_uid });
    /** @type {import("./types.js").BulkDone} */
    const answer = await (verb === "delete" ? del(url) : post(url));
    last_uid = answer.last_uid;
    return { done: answer.done, more: last_uid !== null };
  };
}

/**
 * Go on step by step until there is no more, or somebody stops it; shows how far it is, and tells how it ended.
 *
 * @param {{doing: string, done: string, total: number, next: () => Promise<Step>}} what
 * @returns {Promise<number>} how many are done
 */
export async function progress({ doing, done: said, total, next }) {
  const bar = notice.working(`${doing} ${plural(total, "job")}`);
  let done = 0;
  const far = () => (done < total ? `${number(done)} of ${plural(total, "job")}` : plural(done, "job"));
  try {
    for (let more = true; more && !bar.stopped; ) {
      const step = await next();
      done += step.done;
      more = step.more;
      bar.update(`${doing} ${plural(total, "job")}: ${number(done)}`, Math.min(1, done / total));
    }
  } catch (error) {
    notice.fail(error, `${said} ${far()}, then it failed`);
    return done;
  } finally {
    bar.close();
  }
  notice.say(bar.stopped ? `Stopped. ${said} ${far()}` : `${said} ${far()}`);
  return done;
}
