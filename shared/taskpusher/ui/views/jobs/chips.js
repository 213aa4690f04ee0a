/**
 * The queues that have jobs in the shown state, each a filter to be set and taken away.
 *
 * @typedef {import("../../lib/types.js").Queue} Queue
 * @typedef {import("../../lib/types.js").State} State
 */

import { attr, h, keyed, text } from "../../lib/dom.js";
import { short } from "../../lib/format.js";

const MOST = 20;

export function makeChips() {
  const node = h("ul", { class: "chips", "aria-label": "Filters" });

  /**
   * @param {Queue[]} queues
   * @param {State} state
   * @param {string} chosen the queue that is filtered by
   * @param {(queue: string | null) => string} href
   */
  function update(queues, state, chosen, href) {
    const filled = queues.filter(({ name, counts }) => counts[state] > 0 || name === chosen);
    const order = filled.sort((a, b) => Number(b.name === chosen) - Number(a.name === chosen) || b.counts[state] - a.counts[state]);
    const shown = order.slice(0, MOST).sort((a, b) => a.name.localeCompare(b.name)); // so that they keep their places
    node.hidden = queues.length < 2; // else it has its place, filled or not: what is below does not move
    keyed(node, shown, {
      key: ({ name }) => name,
      make: makeChip,
      update: (chip, queue) => chip.update(queue, queue.counts[state], queue.name === chosen, href(queue.name === chosen ? null : queue.name)),
    });
  }
  return { node, update };
}

function makeChip() {
  const name = h("span", { class: "chip-name" });
  const number = h("span", { class: "nav-count" });
  const paused = h("span", { class: "chip-paused" });
  const link = h("a", { class: "chip" }, name, number, paused);
  /** @param {Queue} queue @param {number} count @param {boolean} chosen @param {string} href */
  function update(queue, count, chosen, href) {
    text(name, queue.name);
    text(number, short(count));
    text(paused, queue.paused ? "paused" : "");
    attr(link, "href", href);
    attr(link, "aria-current", chosen ? "true" : null);
    attr(link, "title", chosen ? "Show all queues" : `Show ${queue.name} alone`);
  }
  return { node: h("li", null, link), update };
}
