/**
 * The limit keys: how many calls of each run and wait; look one up, pin its numbers by hand, let adds change them again.
 *
 * @typedef {import("../lib/types.js").Limit} Limit
 * @typedef {import("../lib/types.js").Address} Address
 */

import * as address from "../lib/address.js";
import { del, get, Problem, put as putJson, withQuery } from "../lib/api.js";
import { attr, h, text } from "../lib/dom.js";
import { formDialog } from "../lib/form.js";
import { count } from "../lib/format.js";
import { limitFields, limitNumbers, rateInWords } from "../lib/limit.js";
import { say } from "../lib/notice.js";
import { act } from "../lib/role.js";
import { table, textCell } from "../lib/table.js";

const KEY = { name: "key", label: "Key", required: true };

/** @type {import("../lib/types.js").View} */
export const view = {
  title: "Limits",
  show(root, first) {
    let now = first;
    const list = table(
      {
        label: "limits",
        key: (limit) => limit.key,
        text: (limit) => limit.key,
        sort: "key",
        empty: "No limit key has jobs, and none is pinned. A job names one in its field “limit”.",
        columns: columns(load),
      },
      first,
    );
    const look = lookUp();
    const next = h("a", { class: "list-all" }, "The next keys");
    const pin = act("Pin a key …", "PUT", "/limits/{key}", async () => pinIt(null, load));
    root.append(h("div", { class: "view-head" }, h("h1", null, view.title), pin ?? ""), look.node, list.node, next);

    /** @param {AbortSignal} [signal] */
    async function load(signal) {
      const { limits, last_key } = await asked(now, signal);
      list.draw(limits);
      look.tell(now, limits.length > 0);
      next.hidden = last_key === null;
      attr(next, "href", address.href({ after: last_key }));
    }

    look.tell(first, true);
    next.hidden = true;
    return {
      update(changed) {
        now = changed;
        list.update(changed);
      },
      poll: load,
      close: () => root.replaceChildren(),
    };
  },
};

/**
 * Ask for the keys, or for the one that is looked up.
 *
 * @param {Address} now
 * @param {AbortSignal} [signal]
 * @returns {Promise<{limits: Limit[], last_key: string | null}>}
 */
async function asked({ key, after }, signal) {
  if (!key) return get(withQuery("limits", { after }), { signal });
  try {
    return { limits: [await get(`limits/${encodeURIComponent(key)}`, { signal })], last_key: null };
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return { limits: [], last_key: null };
    throw error;
  }
}

/** The field that a key is looked up with, and what came of it. */
function lookUp() {
  const typed = h("input", { name: "key", autocomplete: "off", placeholder: "A whole key", "aria-label": "Look up a key" });
  const told = h("span", { class: "list-told", role: "status" });
  const back = h("a", null, "All keys");
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    address.go({ key: typed.value, after: null });
  };
  const node = h("form", { class: "list-tools", onsubmit: submit }, typed, h("button", { type: "submit" }, "Look up"), told, back);
  /** @param {Address} now @param {boolean} found */
  function tell({ key, after }, found) {
    if (typed !== document.activeElement) typed.value = key ?? "";
    text(told, key && !found ? `${key} has no jobs, and is not pinned` : "");
    back.hidden = !key && !after;
    attr(back, "href", address.href({ key: null, after: null }));
  }
  return { node, tell };
}

/**
 * @param {() => Promise<void>} load
 * @returns {import("../lib/table.js").Column<Limit>[]}
 */
function columns(load) {
  return [
    { name: "key", label: "Key", kind: "main", by: (limit) => limit.key, cell: keyCell },
    { name: "running", label: "Running", kind: "figure", by: (limit) => limit.running, cell: textCell(running) },
    { name: "waiting", label: "Waiting", kind: "figure", by: (limit) => limit.waiting, cell: textCell(({ waiting }) => count(waiting)) },
    { name: "rate", label: "Begun at most", kind: "figure", by: (limit) => limit.rate && limit.rate / limit.per, cell: textCell(rate) },
    { name: "acts", label: "What to do", kind: "acts", cell: (limit) => actsCell(limit, load) },
  ];
}

/** @param {Limit} limit */
const running = ({ running, concurrency }) => (concurrency === null ? count(running) : `${count(running)} of ${count(concurrency)}`);

/** @param {Limit} limit */
const rate = ({ rate, per }) => (rate === null ? "any number" : rateInWords(rate, per));

function keyCell() {
  const key = h("span");
  const pinned = h("span", { class: "list-detail" });
  /** @param {Limit} limit */
  function update(limit) {
    text(key, limit.key);
    text(pinned, limit.pinned ? "Pinned: adds do not change its numbers" : "");
  }
  return { node: h("div", null, key, pinned), update };
}

/**
 * @param {Limit} first
 * @param {() => Promise<void>} load
 */
function actsCell(first, load) {
  let now = first;
  const pin = act("Pin …", "PUT", "/limits/{key}", async () => pinIt(now, load));
  const unpin = act("Unpin", "DELETE", "/limits/{key}", async () => {
    await del(`limits/${encodeURIComponent(first.key)}`);
    say(`The next add of ${first.key} sets its numbers`);
    await load();
  });
  /** @param {Limit} limit */
  function update(limit) {
    now = limit;
    if (pin) text(pin, limit.pinned ? "Change …" : "Pin …");
    if (unpin) unpin.hidden = !limit.pinned;
  }
  return { node: h("div", { class: "acts-box" }, pin, unpin), update };
}

/**
 * Ask for the numbers of a key, and pin them.
 *
 * @param {Limit | null} limit null: the key is asked for too
 * @param {() => Promise<void>} load
 */
function pinIt(limit, load) {
  formDialog({
    title: limit ? `Pin ${limit.key}` : "Pin a key",
    detail: "These numbers hold until it is unpinned, whatever adds say. A lower one breaks nothing off.",
    verb: "Pin",
    fields: [...(limit ? [] : [KEY]), ...limitFields(limit)],
    submit: async (values) => {
      const key = limit?.key ?? values.key ?? "";
      await putJson(`limits/${encodeURIComponent(key)}`, limitNumbers(values));
      say(`${key} is pinned`);
      await load();
    },
  });
}
