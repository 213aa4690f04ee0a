/**
 * What just happened, in words that are read out as well, with a way on where there is one.
 *
 * @typedef {{label: string, href?: string, run?: () => void}} Way a link, or an undo
 */

import { h, icon } from "./dom.js";
import { Problem } from "./api.js";

const STAYS_MS = 8_000;
const MOST = 3;

const said = h("div", { class: "notices", role: "status", "aria-live": "polite" });
const alerts = h("div", { class: "notices", role: "alert" });
const works = h("div", { class: "notices" });

/** @param {Element} root where notices stand; it must be there before the first one, or readers miss that */
export function start(root) {
  root.append(works, said, alerts);
}

/** @param {string} text @param {Way} [way] */
export function say(text, way) {
  const note = add(said, text, way);
  let timer = setTimeout(() => note.remove(), STAYS_MS);
  note.addEventListener("pointerenter", () => clearTimeout(timer));
  note.addEventListener("focusin", () => clearTimeout(timer));
  note.addEventListener("pointerleave", () => {
    timer = setTimeout(() => note.remove(), STAYS_MS);
  });
}

/** Tell a failure; it stays until it is closed. @param {unknown} error @param {string} [doing] what was tried */
export function fail(error, doing) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (!(error instanceof Problem)) console.error(error);
  const text = error instanceof Problem ? inWords(error) : "The page has a fault; the console of the browser has more";
  warn(doing ? `${doing}: ${text}` : text);
}

/** Tell what did not go as it was meant; it stays until it is closed. @param {string} text */
export const warn = (text) => add(alerts, text).classList.add("failed");

/**
 * Show something that takes a while, as far as it is, with a button that stops it; it stays until it is closed.
 *
 * @param {string} text
 */
export function working(text) {
  const words = h("p", null, text);
  const bar = h("progress", { "aria-label": text });
  const work = { stopped: false, update, close: () => note.remove() };
  const stop = h("button", { type: "button", onclick: stopIt }, "Stop");
  const note = h("div", { class: "notice working" }, h("div", null, words, bar), stop);
  function stopIt() {
    work.stopped = true;
    stop.disabled = true;
  }
  /** @param {string} text @param {number} [share] how much of it is done; where it is not given nobody knows */
  function update(text, share) {
    words.textContent = text;
    if (share !== undefined) bar.value = share;
  }
  works.append(note);
  return work;
}

/** @param {Problem} problem */
export function inWords(problem) {
  if (problem.errors.length > 0) return problem.errors.map(({ path, rule }) => `${path}: ${rule}`).join("; ");
  return problem.detail ? `${problem.title}: ${problem.detail}` : problem.title;
}

/**
 * @param {Element} region
 * @param {string} text
 * @param {Way} [way]
 */
function add(region, text, way) {
  for (const other of region.children) {
    if (other.querySelector("p")?.textContent === text) other.remove(); // what fails at every poll is told once
  }
  const close = h("button", { type: "button", class: "plain", "aria-label": "Close", onclick: () => note.remove() }, icon("M4 4l8 8M12 4l-8 8"));
  const run = () => {
    note.remove();
    way?.run?.();
  };
  const on = way && (way.href ? h("a", { href: way.href }, way.label) : h("button", { type: "button", class: "plain", onclick: run }, way.label));
  const note = h("div", { class: "notice" }, h("p", null, text), on, close);
  region.append(note);
  while (region.children.length > MOST) region.firstElementChild?.remove();
  return note;
}
