/** A part of the panel: a heading, and below it what is drawn anew only when what it shows has changed. */

import { h, put } from "../../lib/dom.js";

/**
 * A section that draws nothing is hidden.
 *
 * @template T
 * @param {string} title
 * @param {(told: T) => (Node | string)[]} draw
 * @param {{class?: string}} [props]
 * @returns {{node: HTMLElement, update: (told: T) => void}}
 */
export function section(title, draw, props = {}) {
  const body = h("div", { class: props.class });
  const node = h("section", { class: "job-section", hidden: true }, h("h3", null, title), body);
  let shown = "";
  return {
    node,
    update(told) {
      const now = JSON.stringify(told ?? null);
      if (now === shown) return;
      shown = now;
      const drawn = draw(told);
      put(body, drawn);
      node.hidden = drawn.length === 0;
    },
  };
}
