/** What stands where no job does: how to add the first one, or how to see more. */

import * as address from "../../lib/address.js";
import { copyButton } from "../../lib/copy.js";
import { h } from "../../lib/dom.js";

/** @typedef {import("../../lib/states.js").StateInfo} StateInfo */

/** @type {Record<import("../../lib/types.js").State, string>} */
const NONE = {
  waiting: "Nothing waits.",
  scheduled: "Nothing is scheduled: no job is due later, and none waits for its next try.",
  running: "Nothing is running.",
  completed: "No job is kept that completed.",
  error: "No job is in error.",
  cancelled: "No job was cancelled.",
};

/** How a first job comes to this very node. */
export function firstJob() {
  const base = new URL(".", location.href).href;
  const line = `curl -d url=${base}health ${base}add`;
  return h(
    "div",
    { class: "empty" },
    h("h2", null, "No job yet"),
    h("p", null, "A job is a call that this node makes for you. This one calls the node itself:"),
    h("div", { class: "copy-line" }, h("pre", null, h("code", null, line)), copyButton("the line", () => line)),
    h("p", null, "Where the node asks for a password, add -u USER:PASSWORD."),
  );
}

/** @param {StateInfo} info */
export const noneHere = (info) => h("div", { class: "empty" }, h("p", null, NONE[info.state]));

/** What stands there while a filter has not looked at all. */
export const notYet = () =>
  h("div", { class: "empty" }, h("p", null, "None of those that were looked at matches. A filter looks at some thousands at a time."));

/** @param {StateInfo} info @param {string} q */
export function noneMatches(info, q) {
  return h(
    "div",
    { class: "empty" },
    h("p", null, `No ${info.word.toLowerCase()} job matches `, h("code", null, q), "."),
    h("p", null, h("a", { href: address.href({ q: null, pages: null }) }, "Clear the filter")),
  );
}
