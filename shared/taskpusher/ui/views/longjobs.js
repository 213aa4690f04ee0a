/**
 * The jobs that applications tell of: how far they are.
 *
 * @typedef {import("../lib/types.js").JobListed} JobListed
 * @typedef {import("../lib/types.js").Address} Address
 */

import * as address from "../lib/address.js";
import { attr, h, text } from "../lib/dom.js";
import { percent } from "../lib/format.js";
import { table, timeCell } from "../lib/table.js";

/** @param {Address} first */
export function longJobs(first) {
  return table(
    {
      label: "long jobs",
      key: (/** @type {JobListed} */ job) => job.uid,
      text: ({ url, queue, progress }) => `${url} ${queue} ${progress?.note ?? ""}`,
      sort: "started",
      empty: "Of the newest 100 jobs that run, none has told how far it is.",
      columns: [
        { name: "job", label: "Job", kind: "main", by: ({ url }) => url, cell: jobCell },
        { name: "done", label: "Done", by: ({ progress }) => progress?.percent ?? null, cell: progressCell },
        { name: "started", label: "Started", by: ({ started_at }) => started_at, cell: timeCell(({ started_at }) => started_at) },
        { name: "told", label: "Last heard of", by: ({ progress }) => progress?.at ?? null, cell: timeCell(({ progress }) => progress?.at ?? null) },
      ],
    },
    first,
  );
}

function jobCell() {
  const link = h("a");
  const queue = h("span", { class: "list-detail" });
  /** @param {JobListed} job */
  function update({ uid, method, url, queue: name }) {
    text(link, `${method} ${url}`);
    attr(link, "href", address.href({ job: uid }));
    text(queue, name);
  }
  return { node: h("div", null, link, queue), update };
}

function progressCell() {
  const bar = h("progress", { max: 100, "aria-label": "Done" });
  const note = h("span", { class: "list-detail" });
  /** @param {JobListed} job */
  function update({ progress }) {
    attr(bar, "value", progress?.percent);
    text(note, [typeof progress?.percent === "number" ? percent(progress.percent / 100) : "", progress?.note].filter(Boolean).join(", "));
  }
  return { node: h("div", { class: "progress-cell" }, bar, note), update };
}
