/**
 * The table of jobs: rows that keep their place, one of which the keyboard is at.
 *
 * @typedef {import("./row.js").Rowing} Rowing
 * @typedef {import("./row.js").Row} Row
 * @typedef {import("./rows.js").Rows} Rows
 * @typedef {import("./selection.js").Selection} Selection
 */

import { attr, h, keyed, text } from "../../lib/dom.js";
import { makeRow, NOTES } from "./row.js";

/**
 * @param {Rowing} how
 * @param {(on: boolean) => void} chooseAll
 */
export function makeTable(how, chooseAll) {
  const all = h("input", { type: "checkbox", "aria-label": "Select all shown", disabled: !how.choosing });
  all.addEventListener("click", () => chooseAll(all.checked));
  const note = NOTES[how.info.state];
  const caption = h("caption", { class: "unseen" });
  const head = h(
    "tr",
    null,
    h("th", { scope: "col", class: "choose" }, h("label", null, all)),
    h("th", { scope: "col" }, "Job"),
    h("th", { scope: "col" }, "Queue"),
    h("th", { scope: "col", hidden: note === "" }, note),
    h("th", { scope: "col", class: "figure" }, "Tries"),
    h("th", { scope: "col", class: "when" }, how.info.when),
    h("th", { scope: "col", class: "acts" }, h("span", { class: "unseen" }, "What can be done")),
  );
  const body = h("tbody");
  const table = h("table", { class: "jobs", "data-state": how.info.state }, caption, h("thead", null, head), body);
  const node = h("div", { class: "table-box", role: "region", "aria-label": `${how.info.word} jobs`, tabindex: 0 }, table);
  /** @type {Map<string, Row>} */
  let shown = new Map();
  let current = "";
  body.addEventListener("focusin", (event) => {
    const found = [...shown].find(([, row]) => row.node.contains(/** @type {Node} */ (event.target)));
    if (found) current = found[0];
  });

  /** @param {Rows} rows @param {Selection} selection @param {string} open the uid of the job that is open */
  function update(rows, selection, open) {
    const jobs = [...rows.jobs.values()];
    shown = keyed(body, jobs, {
      key: (job) => job.uid,
      make: (job) => makeRow(job, how),
      update: (row, job) => row.update(job, rows.gone.has(job.uid) ? (rows.gone.get(job.uid) ?? null) : undefined, selection.has(job.uid)),
    });
    for (const [uid, row] of shown) attr(row.node, "aria-current", uid === open ? true : null);
    const here = rows.here();
    const chosen = here.filter((uid) => selection.has(uid)).length;
    all.checked = chosen > 0 && chosen === here.length;
    all.indeterminate = chosen > 0 && chosen < here.length;
    node.hidden = jobs.length === 0;
    text(caption, `${how.info.word} jobs, ${jobs.length} shown`);
  }

  /** Bring the keyboard to the next row, or the one before. @param {number} by @returns {string} its uid, "" where there is none */
  function move(by) {
    const uids = [...shown.keys()];
    const at = uids.indexOf(current);
    const to = at < 0 ? 0 : Math.min(Math.max(at + by, 0), uids.length - 1);
    current = uids[to] ?? "";
    shown.get(current)?.link.focus();
    return current;
  }

  return {
    node,
    update,
    move,
    current: () => (shown.has(current) ? current : ""),
    rows: () => body.children,
  };
}
