/**
 * The listing: the jobs of one state, newest or soonest first.
 *
 * @typedef {import("../lib/types.js").Address} Address
 * @typedef {import("../lib/types.js").JobListed} JobListed
 * @typedef {import("../lib/types.js").Listing} Listing
 */

import * as address from "../lib/address.js";
import { get, withQuery } from "../lib/api.js";
import { attr, h, keyed, text } from "../lib/dom.js";
import { setTime, timeNode } from "../lib/format.js";
import { parse } from "../lib/filter.js";
import { stateInfo, stateMark } from "../lib/states.js";

const SHOWN = 50;
export const FIRST_STATE = "waiting";

/** @type {import("../lib/types.js").View} */
export const view = {
  title: "Jobs",
  show(root, first) {
    let now = first;
    const heading = h("h1");
    const body = h("tbody");
    const when = h("th", { scope: "col" });
    const head = h("thead", null, h("tr", null, ["State", "Job", "Queue", "Tries"].map((name) => h("th", { scope: "col" }, name)), when));
    const empty = h("p", { class: "empty" });
    const box = h("div", { class: "table-box" }, h("table", { class: "jobs" }, head, body));
    root.append(heading, box, empty);

    const path = () => stateInfo(now.state ?? FIRST_STATE)?.path ?? FIRST_STATE;

    /** @param {JobListed[]} jobs */
    function draw(jobs) {
      const info = stateInfo(path());
      text(heading, info?.word ?? "");
      text(when, info?.when ?? "");
      keyed(body, jobs, { key: (job) => job.uid, make: row, update: (row, job) => row.update(job) });
      box.hidden = jobs.length === 0; // without a link in it, nobody could scroll it by keyboard
      text(empty, jobs.length === 0 ? "No job is in this state." : "");
    }

    draw([]);
    return {
      update(changed) {
        now = changed;
      },
      async poll(signal) {
        const { query } = parse(now.q ?? "");
        /** @type {Listing} */
        const listing = await get(withQuery(`jobs/${path()}`, { ...query, limit: SHOWN }), { signal });
        draw(listing.jobs);
      },
      close() {
        root.textContent = "";
      },
    };
  },
};

/** @param {JobListed} job */
function row(job) {
  const link = h("a", { href: address.href({ job: job.uid }) }, h("span", { class: "method" }, job.method), " ", job.url);
  const state = h("td");
  const error = h("span", { class: "row-error" });
  const tries = h("td", { class: "figure" });
  const time = timeNode();
  const node = h("tr", null, state, h("td", { class: "job-cell" }, link, error), h("td", null, job.queue), tries, h("td", null, time));
  let shown = "";
  /** @param {JobListed} job */
  function update(job) {
    if (shown !== job.state) {
      shown = job.state;
      state.replaceChildren(stateMark(job.state));
    }
    attr(link, "href", address.href({ job: job.uid }));
    text(error, job.error?.message ?? "");
    text(tries, job.tries);
    setTime(time, job[stateInfo(job.state)?.time ?? "added_at"]);
  }
  return { node, update };
}
