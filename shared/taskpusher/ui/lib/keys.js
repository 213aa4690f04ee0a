/** The keyboard: keys and sequences of two ("g e"), each with what it is for, of which the help is made. */

import { h } from "./dom.js";
import { show } from "./dialog.js";

const SEQUENCE_MS = 1_500;

/** @type {Map<string, {said: string, run: (event: KeyboardEvent) => void}>} */
const keys = new Map();

let first = "";
let first_at = 0;

/**
 * Do something at a key, until the function that is returned is called.
 *
 * @param {string} key as KeyboardEvent.key says it, or two of them with a space between
 * @param {string} said what it does, for the help
 * @param {(event: KeyboardEvent) => void} run
 * @returns {() => void}
 */
export function on(key, said, run) {
  const entry = { said, run };
  keys.set(key, entry);
  return () => {
    if (keys.get(key) === entry) keys.delete(key);
  };
}

/** Listen; what somebody types into a field is theirs, but for Escape, and an open dialog has its own keys. */
export function start() {
  on("?", "Show the keys", help);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]") || (typing(event.target) && event.key !== "Escape")) return;
    const sequence = performance.now() - first_at < SEQUENCE_MS ? keys.get(`${first} ${event.key}`) : undefined;
    const found = sequence ?? keys.get(event.key);
    first = sequence ? "" : event.key;
    first_at = performance.now();
    if (!found || (event.key === "Enter" && onControl(event.target))) return;
    event.preventDefault();
    found.run(event);
  });
}

/** @param {EventTarget | null} target */
function typing(target) {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
}

/** @param {EventTarget | null} target */
function onControl(target) {
  return target instanceof HTMLElement && target.matches("a, button, summary, input");
}

/** Show what each key does. */
export function help() {
  const rows = [...keys].map(([key, { said }]) => h("tr", null, h("td", null, caps(key)), h("td", null, said)));
  show("Keys", h("table", { class: "keys" }, h("tbody", null, rows)));
}

/** @param {string} key */
function caps(key) {
  return key.split(" ").map((one) => h("kbd", null, one === "Escape" ? "Esc" : one));
}
