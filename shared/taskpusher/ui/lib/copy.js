/** Copies a text, and says so; where a browser does not let a page copy, the text is shown to be copied by hand. */

import { show } from "./dialog.js";
import { h, icon } from "./dom.js";
import { say } from "./notice.js";

const SHEETS = "M6 5V2.5h7.5V11H11M2.5 5H10v8.5H2.5z";

/**
 * @param {string} text
 * @param {string} said what is said then
 */
export async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    byHand(text); // such as over plain HTTP from another machine
    return;
  }
  say(said);
}

/** @param {string} text */
function byHand(text) {
  const box = h("textarea", { class: "copy-text code", readonly: true, rows: 8, "aria-label": "The text" });
  box.value = text;
  show("Copy this", h("p", null, "This browser lets no page copy here: copy it by hand."), box);
  box.select();
}

/**
 * Return a small button that copies a text.
 *
 * @param {string} what is copied, as in "the uid"
 * @param {() => string} text
 */
export function copyButton(what, text) {
  const click = () => void copy(text(), `Copied ${what}`);
  return h("button", { type: "button", class: "plain", title: `Copy ${what}`, "aria-label": `Copy ${what}`, onclick: click }, icon(SHEETS));
}
