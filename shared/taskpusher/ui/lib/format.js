/** Numbers, durations, bytes and times as people read them; times are relative, with the absolute one in the title. */

import { attr, h, text } from "./dom.js";

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const SHARE = new Intl.NumberFormat("en", { style: "percent", maximumSignificantDigits: 2 });
const UNITS = ["B", "KiB", "MiB", "GiB"];

let behind_ms = 0; // how far the clock of this machine is behind the node's

/** Take the node's clock for the present. @param {string} now */
export function setNow(now) {
  behind_ms = Date.parse(now) - Date.now();
}

/** The present, by the node's clock, in Unix milliseconds. */
export const now = () => Date.now() + behind_ms;

/** @param {number} value */
export const count = (value) => WHOLE.format(value);

/** @param {number} value */
export const short = (value) => (value < 100 ? SHORT : WHOLE).format(value);

/** @param {number} share */
export const percent = (share) => SHARE.format(share);

/** @param {number} value @param {string} one @param {string} [many] */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/**
 * Return a duration in at most two units: 340 ms, 1.2 s, 4 m 10 s, 3 h 2 m, 5 d.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return two(whole, 60, "m", 1, "s");
  if (whole < 86_400) return two(whole, 3_600, "h", 60, "m");
  return two(whole, 86_400, "d", 3_600, "h");
}

/** @param {number} whole @param {number} size @param {string} name @param {number} rest_size @param {string} rest */
function two(whole, size, name, rest_size, rest) {
  const left = Math.floor((whole % size) / rest_size);
  return `${Math.floor(whole / size)} ${name}${left ? ` ${left} ${rest}` : ""}`;
}

/** @param {number} size */
export function bytes(size) {
  let unit = 0;
  for (; size >= 1024 && unit < UNITS.length - 1; unit += 1) size /= 1024;
  return `${short(size)} ${UNITS[unit]}`;
}

/** @param {string} time */
export function relative(time) {
  const ago_s = (now() - Date.parse(time)) / 1000;
  if (Math.abs(ago_s) < 1) return "now";
  const units = duration(coarse(Math.abs(ago_s)));
  return ago_s > 0 ? `${units} ago` : `in ${units}`;
}

/** Leave out what would change at every look: seconds of minutes, hours of days. @param {number} seconds */
function coarse(seconds) {
  if (seconds < 60) return Math.round(seconds);
  const unit = seconds < 86_400 ? 60 : 86_400;
  return Math.floor(seconds / unit) * unit;
}

/** @param {string} time */
export const absolute = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Return an element for a time; `setTime` fills it, at every poll anew. */
export const timeNode = () => h("time");

/** @param {HTMLTimeElement} node @param {string | null} time */
export function setTime(node, time) {
  text(node, time === null ? "" : relative(time));
  attr(node, "datetime", time);
  attr(node, "title", time === null ? null : absolute(time));
}
