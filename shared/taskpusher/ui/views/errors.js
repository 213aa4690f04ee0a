/**
 * What fails, grouped by host, class and line: look at the jobs of a group, retry or delete just these, and watch it drain.
 *
 * @typedef {import("../lib/types.js").Group} Group
 */

import * as address from "../lib/address.js";
import { get } from "../lib/api.js";
import { bulk, bulkCall } from "../lib/bulk.js";
import { attr, h, text } from "../lib/dom.js";
import { stringify } from "../lib/filter.js";
import { count } from "../lib/format.js";
import { act } from "../lib/role.js";
import { table, textCell, timeCell } from "../lib/table.js";

/** @type {import("../lib/types.js").View} */
export const view = {
  title: "Errors in groups",
  show(root, first) {
    /** @type {Map<string, Group>} groups that were retried here: they stay in sight when nothing is left in them */
    const retried = new Map();
    const list = table(
      {
        label: "errors",
        key: (group) => group.id,
        text: ({ host, class: kind, line }) => `${line ?? ""} ${host ?? ""} ${kind ?? ""}`,
        sort: "-count",
        empty: "No job has failed, or all of those were retried or deleted.",
        columns: columns(async (verb, group) => {
          if (verb === "retry") retried.set(group.id, group);
          const detail =
            verb === "retry" ? "They begin anew, with all their tries. What fails again comes back here." : "They are gone, with what was answered.";
          await bulk({ verb, state: "errors", params: { group: group.id }, detail });
          await load();
        }),
      },
      first,
    );
    root.append(h("h1", null, view.title), list.node);

    /** @param {AbortSignal} [signal] */
    async function load(signal) {
      /** @type {{groups: Group[]}} */
      const { groups } = await get("errors", { signal });
      const there = new Set(groups.map(({ id }) => id));
      const drained = [...retried.values()].filter(({ id }) => !there.has(id)).map((group) => ({ ...group, count: 0 }));
      list.draw([...groups, ...drained]);
    }

    return { update: list.update, poll: load, close: () => root.replaceChildren() };
  },
};

/**
 * @param {(verb: "retry" | "delete", group: Group) => Promise<void>} change
 * @returns {import("../lib/table.js").Column<Group>[]}
 */
function columns(change) {
  return [
    { name: "error", label: "Error", kind: "main", by: (group) => group.line ?? "", cell: whatCell },
    { name: "count", label: "Jobs", kind: "figure", by: (group) => group.count, cell: textCell((group) => count(group.count)) },
    { name: "first", label: "First seen", by: (group) => group.first_seen, cell: timeCell((group) => group.first_seen) },
    { name: "last", label: "Last seen", by: (group) => group.last_seen, cell: timeCell((group) => group.last_seen) },
    { name: "acts", label: "What to do", kind: "acts", cell: (group) => actsCell(group, change) },
  ];
}

/** What the group is of, which leads to its newest job. */
function whatCell() {
  const line = h("a");
  const where = h("span", { class: "list-detail" });
  /** @param {Group} group */
  function update(group) {
    text(line, group.line || (group.host ? "No answer to tell" : "More kinds of errors than are told apart"));
    attr(line, "href", group.sample_uid && address.href({ job: group.sample_uid }));
    attr(line, "title", "Open the newest of them");
    text(where, [group.class, group.host].filter(Boolean).join(" · "));
  }
  return { node: h("div", null, line, where), update };
}

/**
 * @param {Group} first
 * @param {(verb: "retry" | "delete", group: Group) => Promise<void>} change
 */
function actsCell(first, change) {
  let now = first;
  const look = h("a", { class: "act" }, "Look at these");
  const retry = act("Retry", ...bulkCall("retry"), () => change("retry", now));
  const remove = act("Delete", ...bulkCall("delete"), () => change("delete", now), { class: "danger" });
  const left = h("span", null, "None left");
  const some = [look, retry, remove];
  /** @param {Group} group */
  function update(group) {
    now = group;
    left.hidden = group.count > 0;
    for (const one of some) if (one) one.hidden = group.count === 0;
    attr(look, "href", address.href({ view: "jobs", state: "errors", q: stringify({ group: group.id }), job: null }));
    if (retry) text(retry, group.count === 1 ? "Retry this one" : `Retry these ${count(group.count)}`);
  }
  return { node: h("div", { class: "acts-box" }, look, retry, remove, left), update };
}
