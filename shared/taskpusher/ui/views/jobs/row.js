/**
 * A job as a row: what it calls, how it is, and what can be done to it.
 *
 * @typedef {import("../../lib/types.js").JobListed} JobListed
 * @typedef {import("../../lib/states.js").StateInfo} StateInfo
 * @typedef {import("../../lib/verbs.js").Verb} Verb
 * @typedef {{job: string, filter: (name: string, value: string) => string, version: string}} Links
 *   where the links of rows lead: `job` is all of it but a uid; they change with `version`
 * @typedef {object} Rowing what a row needs of its table
 * @property {StateInfo} info
 * @property {Links} links
 * @property {boolean} choosing whether rows can be selected
 * @property {(verb: Verb, job: JobListed) => Promise<void>} act
 * @property {(uid: string, on: boolean, range: boolean) => void} choose
 */

import { attr, h, icon, put, text } from "../../lib/dom.js";
import { percent, setTime, timeNode } from "../../lib/format.js";
import { act } from "../../lib/role.js";
import { stateMark } from "../../lib/states.js";
import { VERBS, verbsOf } from "../../lib/verbs.js";

/** What stands in the column that differs by state; where there is none the column is not shown. */
export const NOTES = { waiting: "Held by", scheduled: "Last error", running: "Progress", completed: "", error: "Error", cancelled: "Why" };

/** @typedef {ReturnType<typeof makeRow>} Row */

/**
 * @param {JobListed} first
 * @param {Rowing} how
 */
export function makeRow(first, how) {
  let job = first;
  const { uid } = first;
  const box = h("input", { type: "checkbox", "aria-label": `Select ${shortUid(uid)}` });
  const method = h("span", { class: "method" });
  const url = h("span", { class: "job-url" });
  const link = h("a", { class: "job-link" }, method, " ", url);
  const host = h("a", { class: "quiet" });
  const key = h("a", { class: "quiet" });
  const left = h("strong", { class: "row-left" });
  const queue = h("a", { class: "quiet" });
  const tries = h("td", { class: "figure", "data-label": "Tries" });
  const time = timeNode();
  const note = noteCell(how);
  const acts = h("td", { class: "acts" });
  const small = h("span", { class: "row-more" }, left, h("span", { class: "uid", title: uid }, shortUid(uid)), host, key);
  const chosen = h("td", { class: "choose" }, h("label", null, box));
  const queue_cell = h("td", { class: "queue-cell", "data-label": "Queue" }, queue);
  const when = h("td", { class: "when", "data-label": how.info.when }, time);
  const node = h("tr", null, chosen, h("td", { class: "job-cell" }, link, small), queue_cell, note.node, tries, when, acts);
  chosen.addEventListener("click", (event) => {
    if (event.target !== box) return; // the label clicks it once more
    how.choose(uid, box.checked, event.shiftKey);
  });
  node.addEventListener("click", (event) => {
    const control = event.target instanceof Element && event.target.closest("a, button, input, label");
    if (control || !getSelection()?.isCollapsed) return;
    if (event.shiftKey) how.choose(uid, true, true);
    else link.click();
  });
  put(acts, buttons(() => job, how));
  let version = "";
  let said_left = "";

  /** @param {JobListed} now @param {string | null | undefined} gone undefined: it is here @param {boolean} selected */
  function update(now, gone, selected) {
    job = now;
    text(method, job.kind === "http" ? job.method : job.kind);
    text(url, job.url);
    attr(url, "title", job.url);
    text(host, hostOf(job.url));
    text(key, job.key === null ? "" : `key ${job.key}`);
    text(queue, job.queue);
    if (version !== how.links.version) relink();
    text(tries, job.tries);
    setTime(time, job[how.info.time]);
    note.update(job);
    const left_for = gone === undefined ? "" : (gone ?? "?");
    if (said_left !== left_for) {
      said_left = left_for;
      put(left, gone === undefined ? [] : leftTo(gone, how.info));
      node.classList.toggle("gone", gone !== undefined);
      acts.classList.toggle("none", gone !== undefined);
    }
    box.disabled = gone !== undefined || !how.choosing;
    box.checked = selected && gone === undefined;
    attr(node, "aria-selected", box.checked ? true : null);
  }

  function relink() {
    version = how.links.version;
    attr(link, "href", how.links.job + encodeURIComponent(uid));
    attr(queue, "href", how.links.filter("queue", job.queue));
    attr(host, "href", how.links.filter("host", hostOf(job.url)));
    attr(key, "href", job.key === null ? null : how.links.filter("key", job.key));
  }

  return { node, link, update };
}

/** @param {string | null} gone @param {StateInfo} info */
function leftTo(gone, info) {
  if (gone === null) return [`no longer ${info.word.toLowerCase()}`];
  return gone === "deleted" ? ["now deleted"] : ["now ", stateMark(gone)];
}

/** @param {() => JobListed} job @param {Rowing} how */
function buttons(job, how) {
  return verbsOf(how.info.state).map((verb) => {
    const { word, one } = VERBS[verb];
    const props = { class: "plain", "aria-label": `${word} ${shortUid(job().uid)}` };
    const button = act("", one[0], one[1], () => how.act(verb, job()), props);
    if (!button) return null;
    put(button, icon(VERBS[verb].icon));
    if (!button.title) button.title = word;
    return button;
  });
}

/** @param {Rowing} how */
function noteCell(how) {
  const label = NOTES[how.info.state];
  const held = h("span", { class: "held-by" });
  const bar = h("progress", { max: 100, "aria-label": "Progress" });
  const progress = h("span", { class: "row-progress" });
  const kind = h("a", { class: "row-kind" });
  const message = h("span", { class: "row-error" });
  const node = h("td", { class: "note", "data-label": label, hidden: label === "" }, held, bar, progress, kind, message);
  /** @param {JobListed} job */
  function update({ held_by, progress: far, error }) {
    text(held, held_by ?? "");
    bar.hidden = typeof far?.percent !== "number";
    if (typeof far?.percent === "number") bar.value = far.percent;
    text(progress, far ? [typeof far.percent === "number" ? percent(far.percent / 100) : "", far.note ?? ""].filter(Boolean).join(" · ") : "");
    text(kind, error ? (error.status === null ? error.kind : `${error.kind === "status" ? "status" : `${error.kind},`} ${error.status}`) : "");
    if (error) attr(kind, "href", error.status === null ? how.links.filter("error", error.kind) : how.links.filter("status", String(error.status)));
    text(message, error?.message ?? "");
    attr(message, "title", error?.message ?? null);
    node.classList.toggle("none", !held_by && !far && !error);
  }
  return { node, update };
}

/** The end of a uid's first part, for its beginning is the time and alike in all. @param {string} uid */
export const shortUid = (uid) => uid.slice(24, 32) || uid;

/** Return a target as the API names it, host:port; "" where the URL shows none. @param {string} url */
function hostOf(url) {
  try {
    const { hostname, port, protocol } = new URL(url);
    return hostname && `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
  } catch {
    return "";
  }
}
