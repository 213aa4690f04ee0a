/** A line of what lately was: drawn to its own scale, with its newest value at the right; null is a gap. */

import { attr, svg } from "../lib/dom.js";

const WIDTH = 120;
const HEIGHT = 28;

/** Return {node, draw(values)}; what it shows is also said in words beside it, so readers pass over it. */
export function sparkline() {
  const line = svg("path", { class: "spark-line" });
  const area = svg("path", { class: "spark-area" });
  const box = { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": true };
  const node = svg("svg", box, area, line);
  /** @param {(number | null)[]} values */
  function draw(values) {
    const top = Math.max(...values.map((value) => value ?? 0), Number.MIN_VALUE);
    const step = WIDTH / Math.max(values.length - 1, 1);
    let lines = "";
    let areas = "";
    let from = -1;
    values.forEach((value, index) => {
      if (value === null) {
        if (from >= 0) areas += closed((index - 1) * step);
        from = -1;
        return;
      }
      const point = `${round(index * step)} ${round(HEIGHT - 1 - (value / top) * (HEIGHT - 3))}`;
      lines += from < 0 ? `M${point}h0` : `L${point}`; // one alone is a dot
      areas += from < 0 ? `M${round(index * step)} ${HEIGHT}L${point}` : `L${point}`;
      if (from < 0) from = index;
    });
    if (from >= 0) areas += closed((values.length - 1) * step);
    attr(line, "d", lines || "M0 0");
    attr(area, "d", areas || "M0 0");
  }
  return { node, draw };
}

/** @param {number} x */
const closed = (x) => `L${round(x)} ${HEIGHT}Z`;

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;
