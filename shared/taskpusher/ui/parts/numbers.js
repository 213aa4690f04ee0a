/**
 * The four numbers that say how it goes, each with its last 15 minutes.
 *
 * @typedef {import("../lib/types.js").Stats} Stats
 */

import { h, text } from "../lib/dom.js";
import { count, duration, now, percent, short } from "../lib/format.js";
import { sparkline } from "./sparkline.js";

const SHOWN_S = 900;

/** Return {node, update(stats), series(stats with a range)}. */
export function numbers() {
  const oldest = number("Oldest waiting");
  const done = number("Done a second");
  const errors = number("Share of errors");
  const busy = number("Busy");
  const slowest = busy.detail;
  const node = h("dl", { class: "numbers", "aria-label": "How it goes" }, [oldest, done, errors, busy].map((one) => one.node));

  /** @param {Stats} stats */
  function update(stats) {
    const { states, rates, slots, oldest_waiting } = stats;
    const ended = rates.completed + rates.errors;
    const waits_s = oldest_waiting === null ? null : Math.max(0, (now() - Date.parse(oldest_waiting)) / 1000);
    oldest.say(waits_s === null ? "none" : duration(waits_s), `${count(states.waiting)} waiting`);
    done.say(short(ended), `${short(rates.added)} added a second`);
    errors.say(ended > 0 ? percent(rates.errors / ended) : "none", "of the last minute");
    errors.node.classList.toggle("bad", rates.errors > 0);
    busy.say(`${count(slots.busy)} of ${count(slots.limit)}`);
  }

  /** @param {Stats} stats */
  function series({ series: all, step }) {
    if (!all || !step) return;
    const last = Math.round(SHOWN_S / step);
    const ended = all.completed.map((value, index) => value + (all.errors[index] ?? 0));
    const shares = ended.map((value, index) => (value > 0 ? (all.errors[index] ?? 0) / value : 0));
    const slow_s = all.p95.slice(-last).findLast((value) => value !== null) ?? null;
    oldest.draw(all.waiting.slice(-last));
    done.draw(ended.slice(-last));
    errors.draw(shares.slice(-last));
    busy.draw(all.p95.slice(-last));
    text(slowest, slow_s === null ? "no call lately" : `95% within ${duration(slow_s)}`);
  }
  return { node, update, series };
}

/** @param {string} label */
function number(label) {
  const value = h("span", { class: "number-value" }, "–");
  const detail = h("span", { class: "number-detail" });
  const line = sparkline();
  const node = h("div", { class: "number" }, h("dt", null, label), h("dd", null, value, detail), h("dd", { "aria-hidden": true }, line.node));
  /** @param {string} said @param {string} [more] */
  function say(said, more) {
    text(value, said);
    if (more !== undefined) text(detail, more);
  }
  return { node, detail, say, draw: line.draw };
}
