/**
 * The hosts that are called: how they do, which are held back and by whom; hold one by hand, release it.
 *
 * @typedef {import("../lib/types.js").Target} Target
 */

import * as address from "../lib/address.js";
import { get, post, withQuery } from "../lib/api.js";
import { attr, h, put, text } from "../lib/dom.js";
import { stringify } from "../lib/filter.js";
import { count, duration, now, percent, plural, setTime, short, timeNode } from "../lib/format.js";
import { say } from "../lib/notice.js";
import { askHowLong, pauseNode } from "../lib/pause.js";
import { act } from "../lib/role.js";
import { table, textCell } from "../lib/table.js";

const BY_ITSELF = "unreached"; // who holds a host that was not reached

/** @type {import("../lib/types.js").View} */
export const view = {
  title: "Targets",
  show(root, first) {
    const list = table(
      {
        label: "targets",
        key: (target) => target.host,
        text: (target) => target.host,
        sort: "", // as the node has them: held ones first, then what is called now
        empty: "No host has been called lately, and none is held.",
        columns: columns(load),
      },
      first,
    );
    const more = h("p", { class: "list-detail" });
    root.append(h("h1", null, view.title), list.node, more);

    /** @param {AbortSignal} [signal] */
    async function load(signal) {
      /** @type {{targets: Target[], known: number}} */
      const { targets, known } = await get("targets", { signal });
      list.draw(targets);
      text(more, known > targets.length ? `These matter most of ${plural(known, "host")}.` : "");
    }

    return { update: list.update, poll: load, close: () => root.replaceChildren() };
  },
};

/**
 * @param {() => Promise<void>} load
 * @returns {import("../lib/table.js").Column<Target>[]}
 */
function columns(load) {
  /** @param {number | null} seconds */
  const told = (seconds) => (seconds === null ? "–" : duration(seconds));
  return [
    { name: "host", label: "Host", kind: "main", by: (target) => target.host, cell: hostCell },
    { name: "flight", label: "In flight", kind: "figure", by: (target) => target.in_flight, cell: textCell(inFlight) },
    { name: "rate", label: "Calls a second", kind: "figure", by: (target) => target.rate, cell: textCell(({ rate }) => short(rate)) },
    { name: "p50", label: "Half within", kind: "figure", by: (target) => target.p50, cell: textCell(({ p50 }) => told(p50)) },
    { name: "p95", label: "95% within", kind: "figure", by: (target) => target.p95, cell: textCell(({ p95 }) => told(p95)) },
    { name: "errors", label: "Failed", kind: "figure", by: (target) => target.error_share, cell: errorsCell },
    { name: "acts", label: "What to do", kind: "acts", cell: (target) => actsCell(target, load) },
  ];
}

/** @param {Target} target */
function inFlight({ in_flight, limit }) {
  return limit === null || limit === 0 ? count(in_flight) : `${count(in_flight)} of ${count(limit)}`;
}

/** The host, which leads to its jobs, and how it stands. */
function hostCell() {
  const link = h("a");
  const stand = h("span", { class: "list-detail" });
  const by_hand = pauseNode("Held", "it is released");
  const by_itself = h("strong", { class: "held" }, "Held back, for it was not reached");
  const probe = timeNode();
  const when = h("span", null, ", next probe ", probe);
  const due = h("span", null, ", the next job of it is a probe");
  const probed = h("span", null, by_itself, when, due);
  let shown = "";
  /** @param {Target} target */
  function update({ host, held, limit }) {
    text(link, host);
    attr(link, "href", address.href({ view: "jobs", q: stringify({ host }), job: null }));
    attr(link, "title", "Its jobs");
    const itself = held?.by === BY_ITSELF;
    const kind = held ? (itself ? "itself" : "hand") : ramp(limit);
    if (kind !== shown) put(stand, held ? (itself ? probed : by_hand.node) : kind);
    shown = kind;
    if (!held) return;
    if (!itself) return by_hand.update(held);
    setTime(probe, held.next_probe);
    due.hidden = held.next_probe !== null && Date.parse(held.next_probe) > now();
    when.hidden = !due.hidden;
  }
  return { node: h("div", null, link, stand), update };
}

/** @param {number | null} limit */
function ramp(limit) {
  if (limit === null) return "";
  return limit === 1 ? "Being probed" : `Let in again, ${count(limit)} at once`;
}

function errorsCell() {
  const node = h("span");
  /** @param {Target} target */
  function update({ error_share }) {
    text(node, error_share === null ? "–" : percent(error_share));
    node.classList.toggle("bad", (error_share ?? 0) > 0);
  }
  return { node, update };
}

/**
 * @param {Target} first
 * @param {() => Promise<void>} load
 */
function actsCell({ host }, load) {
  const path = `targets/${encodeURIComponent(host)}`;
  const hold = act("Hold …", "POST", "/targets/{host}/hold", async () => {
    askHowLong({
      title: `Hold ${host}`,
      detail: "No more calls of it begin. What runs goes on, and jobs wait without using up a try.",
      verb: "Hold",
      submit: async (query) => {
        await post(withQuery(`${path}/hold`, query));
        say(`${host} is held`);
        await load();
      },
    });
  });
  const release = act("Release", "POST", "/targets/{host}/release", async () => {
    await post(`${path}/release`);
    say(`${host} is released`);
    await load();
  });
  /** @param {Target} target */
  function update({ held }) {
    if (hold) hold.hidden = held !== null && held.by !== BY_ITSELF;
    if (release) release.hidden = held === null;
  }
  return { node: h("div", { class: "acts-box" }, hold, release), update };
}
