/**
 * Changes many jobs: counts them first, asks, and shows how far it is, with a way to stop.
 *
 * @typedef {Exclude<import("./verbs.js").Verb, "run">} Verb those with a call for many
 * @typedef {object} Bulk
 * @property {Verb} verb
 * @property {string} state as the path of a listing spells it: errors
 * @property {Record<string, string>} params the filters of the listing
 * @property {number} [count] how many they are, where that is known; else they are counted
 * @property {string} [detail] what else is to be known before somebody agrees
 * @typedef {{done: number, more: boolean, refused?: string[]}} Step `refused`: why, for each job that was not done
 */

import { del, post, withQuery } from "./api.js";
import { ask } from "./dialog.js";
import { count as number, now, plural } from "./format.js";
import * as notice from "./notice.js";
import { VERBS } from "./verbs.js";

const AT_ONCE = 500; // jobs changed by a call: so that it is seen to go on

/** Return the call of a verb as /openapi.json spells it, for `act` and `can`: [method, path]. @param {Verb} verb */
export const bulkCall = (verb) => /** @type {readonly [string, string]} */ (VERBS[verb].many);

/**
 * Change all jobs of a state that match, once somebody has agreed; tells how it went.
 *
 * @param {Bulk} bulk
 * @returns {Promise<number>} how many were changed
 */
export async function bulk({ verb, state, params, count, detail }) {
  const { word, doing, done } = VERBS[verb];
  const frozen = frozenParams(state, params);
  const total = count ?? (await counted(verb, state, frozen));
  if (total === null) return 0;
  if (total === 0) {
    notice.say("No job matches any more");
    return 0;
  }
  if (!(await ask({ verb: word, what: plural(total, "job"), count: total, detail }))) return 0;
  const next = walk(verb, state, frozen, { most: total });
  return progress({ doing, done, total, next });
}

/**
 * Narrow filters to what is there now; scheduled jobs are listed by when they are due, not by when they came.
 *
 * @param {string} state
 * @param {Record<string, string>} params
 * @returns {Record<string, string>}
 */
export function frozenParams(state, params) {
  return state === "scheduled" || params.until ? params : { ...params, until: new Date(now()).toISOString() };
}

/**
 * Count what matches, which takes several calls when it is much; null when somebody stopped it.
 *
 * @param {Verb} verb
 * @param {string} state
 * @param {Record<string, string>} params
 */
export async function counted(verb, state, params) {
  const next = walk(verb, state, { ...params, dry_run: "true" }, { at_once: 1_000 });
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
 * @param {{at_once?: number, most?: number}} [how] most: never more than somebody agreed to, also where more came meanwhile
 * @returns {() => Promise<Step>}
 */
function walk(verb, state, params, { at_once = AT_ONCE, most = Infinity } = {}) {
  let left = most;
  /** @type {string | null} */
  let last_uid = null;
  const path = verb === "delete" ? `jobs/${state}` : `jobs/${state}/${verb}`;
  return async () => {
    const url = withQuery(path, { ...params, limit: Math.min(at_once, left), last_uid });
    /** @type {import("./types.js").BulkDone} */
    const answer = await (verb === "delete" ? del(url) : post(url));
    last_uid = answer.last_uid;
    left -= answer.done;
    return { done: answer.done, more: last_uid !== null && left > 0 };
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
  /** @type {string[]} */
  const refused = [];
  const far = () => (done < total ? `${number(done)} of ${plural(total, "job")}` : plural(done, "job"));
  try {
    for (let more = true; more && !bar.stopped; ) {
      const step = await next();
      done += step.done;
      refused.push(...(step.refused ?? []));
      more = step.more;
      bar.update(`${doing} ${plural(total, "job")}: ${number(done)}`, Math.min(1, done / total));
    }
  } catch (error) {
    notice.fail(error, `${said} ${far()}, then it failed`);
    return done;
  } finally {
    bar.close();
  }
  if (bar.stopped) notice.say(`Stopped. ${said} ${far()}`);
  else if (done < total) notice.warn(`${said} ${far()}. ${whyNot(refused, total - done)}`);
  else notice.say(`${said} ${far()}`);
  return done;
}

/**
 * Say why jobs were not done, the same reason once.
 *
 * @param {string[]} refused
 * @param {number} left
 */
function whyNot(refused, left) {
  /** @type {Map<string, number>} */
  const reasons = new Map();
  for (const why of refused) reasons.set(why, (reasons.get(why) ?? 0) + 1);
  if (reasons.size === 0) return `${plural(left, "job")} had left the state, or another job stands in the way`;
  return [...reasons].map(([why, times]) => `${number(times)} not: ${why}`).join("; ");
}
