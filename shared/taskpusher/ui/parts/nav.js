/**
 * The ways to all views, and to the jobs of each state with their number.
 *
 * @typedef {import("../lib/types.js").Address} Address
 * @typedef {import("../lib/types.js").Counts} Counts
 */

import * as address from "../lib/address.js";
import { attr, h, text } from "../lib/dom.js";
import { count } from "../lib/format.js";
import { STATES, stateMark } from "../lib/states.js";

const FADED = 24; // at the end of a row that goes on

/** @param {{name: string, title: string}[]} views those without a state, in their order */
export function nav(views) {
  const states = STATES.map(({ state, path }) => {
    const number = h("span", { class: "nav-count" });
    return { state, path, number, link: h("a", { class: "nav-link" }, stateMark(state, { listing: true }), number) };
  });
  const others = views.map(({ name, title }) => ({ name, link: h("a", { class: "nav-link" }, title) }));
  const lists = [
    h("ul", { class: "nav-list", "aria-label": "Jobs by state" }, states.map(({ link }) => h("li", null, link))),
    h("ul", { class: "nav-list", "aria-label": "More views" }, others.map(({ link }) => h("li", null, link))),
  ];
  const node = h("div", { class: "nav" }, h("h2", { class: "nav-title" }, "Jobs"), lists);

  /** @param {Address} now @param {string} shown_state of the view of jobs */
  function at(now, shown_state) {
    for (const { path, link } of states) {
      attr(link, "href", address.href({ view: "jobs", state: path, job: null }));
      attr(link, "aria-current", now.view === "jobs" && path === shown_state ? "page" : null);
    }
    for (const { name, link } of others) {
      attr(link, "href", address.href({ view: name, job: null }));
      attr(link, "aria-current", now.view === name ? "page" : null);
    }
    for (const list of lists) bring(list);
  }

  /** @param {Counts} counts */
  function update(counts) {
    for (const { state, number } of states) text(number, count(counts[state] ?? 0));
  }
  return { node, at, update };
}

/** On a narrow screen a list is one row: bring the way to what is shown into sight. @param {HTMLElement} list */
function bring(list) {
  const link = list.querySelector("[aria-current]");
  if (!link) return;
  const [row, one] = [list.getBoundingClientRect(), link.getBoundingClientRect()];
  if (one.left < row.left || one.right > row.right - FADED) list.scrollLeft += one.left - row.left - (row.width - one.width) / 2;
}
