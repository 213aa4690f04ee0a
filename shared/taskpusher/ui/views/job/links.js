/** Links from a job to what it has to do with. */

import { href } from "../../lib/address.js";
import { h } from "../../lib/dom.js";
import { stringify } from "../../lib/filter.js";

/** @param {string} uid */
export const toJob = (uid) => h("a", { href: href({ job: uid }), class: "uid" }, uid);

/** Return a link to a limit key. @param {string} key @param {string} [text] */
export const toLimit = (key, text = key) => h("a", { href: href({ view: "limits", key, job: null }) }, text);

/** Return a link to a target host. @param {string} host */
export const toTarget = (host) => h("a", { href: href({ view: "targets", find: host, job: null }) }, host);

/** Return a link to the waiting jobs that a filter finds. @param {string} text @param {Record<string, string>} filter */
export const toJobs = (text, filter) => h("a", { href: href({ view: "jobs", state: "waiting", q: stringify(filter), job: null }) }, text);
