/**
 * One verb done to many jobs where each is a call of its own: those that were selected, and what no one call does.
 *
 * @typedef {import("../../lib/types.js").JobListed} JobListed
 * @typedef {import("../../lib/bulk.js").Step} Step
 * @typedef {import("../../lib/verbs.js").Verb} Verb
 * @typedef {(uid: string, job: JobListed | null) => void} Changed takes what a job is then, null where it is deleted
 */

import { get, Problem, withQuery } from "../../lib/api.js";
import { progress } from "../../lib/bulk.js";
import { ask } from "../../lib/dialog.js";
import { plural } from "../../lib/format.js";
import { act, VERBS } from "../../lib/verbs.js";

const AT_ONCE = 8;
const A_PAGE = 48;

/**
 * Do a verb to some jobs, once somebody has agreed.
 *
 * @param {Verb} verb
 * @param {string[]} uids
 * @param {Changed} changed
 * @returns {Promise<boolean>} whether they agreed
 */
export async function someJobs(verb, uids, changed) {
  const total = uids.length;
  const { word, doing, done } = VERBS[verb];
  if (!(await ask({ verb: word, what: plural(total, "job"), count: total }))) return false;
  const left = [...uids];
  await progress({ doing, done, total, next: async () => ({ ...(await step(verb, left.splice(0, AT_ONCE), changed)), more: left.length > 0 }) });
  return true;
}

/**
 * Run scheduled jobs that match, soonest first, once somebody has agreed.
 *
 * @param {import("./selection.js").Matching} matching
 * @param {string} detail
 * @param {Changed} changed
 * @returns {Promise<boolean>} whether they agreed
 */
export async function runMatching({ count: total, params }, detail, changed) {
  const { word, doing, done } = VERBS.run;
  if (!(await ask({ verb: word, what: plural(total, "job"), count: total, detail }))) return false;
  /** @type {string | null} */
  let last_uid = null;
  let left = total; // what runs and fails is scheduled anew, behind; it is not run twice
  const next = async () => {
    /** @type {import("../../lib/types.js").Listing} */
    const page = await get(withQuery("jobs/scheduled", { ...params, limit: Math.min(left, A_PAGE), last_uid }));
    last_uid = page.last_uid;
    left -= page.jobs.length;
    const ended = await step("run", page.jobs.map(({ uid }) => uid), changed);
    return { ...ended, more: last_uid !== null && left > 0 };
  };
  await progress({ doing, done, total, next });
  return true;
}

/** @param {Verb} verb @param {string[]} uids @param {Changed} changed */
async function step(verb, uids, changed) {
  const ended = await Promise.all(uids.map((uid) => one(verb, uid, changed)));
  const refused = ended.filter((why) => why !== "");
  return { done: ended.length - refused.length, refused };
}

/** Return why a job was not changed, "" where it was. @param {Verb} verb @param {string} uid @param {Changed} changed */
async function one(verb, uid, changed) {
  try {
    changed(uid, await act(verb, uid));
    return "";
  } catch (error) {
    if (error instanceof Problem && [404, 409].includes(error.status)) return error.detail;
    throw error;
  }
}
