/** Links from a job to what it has to do with. */

import { href } from "../../lib/address.js";
import { h } from "../../lib/dom.js";
import { stringify } from "../../lib/filter.js";

/** @param {string} uid */
export const toJob = (uid) => h("a", { href: href({ job: uid }), class: "uid" }, uid);

/** Return a link to a view, on which `text` stands. @param {string} view @param {string} text */
export const to = (view, text) => h("a", { href: href({ view, job: null }) }, text);

/** Return a link to the waiting jobs that a filter finds. @param {string} text @param {Record<string, string>} filter */
export const toJobs = (text, filter) => h("a", { href: href({ view: "jobs", state: "waiting", q: stringify(filter), job: null }) }, text);
