/**
 * Copies a job as a line of curl: the call of its target, or the add of one more. Secrets stay masked, and that is said.
 *
 * @typedef {import("../../lib/types.js").Job} Job
 */

import { copy } from "../../lib/copy.js";
import { MASK, ofAdd, ofCall } from "../../lib/curl.js";
import { ofJob } from "../form/fields.js";

/** @param {Job} job */
export const copyCall = (job) => copied(ofCall(job), "Copied the call, without the headers of TaskPusher's own");

/** @param {Job} job */
export const copyAdd = (job) => copied(ofAdd(ofJob(job)), "Copied the add");

/** @param {string} line @param {string} said */
async function copied(line, said) {
  await copy(line, line.includes(MASK) ? `${said}. Secrets are masked in it: put them in` : said);
}
