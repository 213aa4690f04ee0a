/**
 * The states of a job as a picture: the way that this one went stands out, with the times; in words for who cannot see it.
 *
 * @typedef {import("../../lib/types.js").Job} Job
 * @typedef {"scheduled" | "waiting" | "running" | "handed" | "completed" | "error" | "cancelled"} Place
 */

import { attr, h, put, svg } from "../../lib/dom.js";
import { absolute, now } from "../../lib/format.js";
import { isFinished, stateInfo } from "../../lib/states.js";

/** @type {Record<Place, [number, number]>} the upper left corner of each box */
const PLACES = {
  scheduled: [8, 2],
  waiting: [8, 64],
  handed: [128, 2],
  running: [128, 64],
  completed: [248, 2],
  error: [248, 64],
  cancelled: [248, 126],
};
const WIDTH = 100;
const HEIGHT = 42;

/** @type {[Place, Place, string, boolean][]} from, to, the line, whether it is there also where nobody went */
const WAYS = [
  ["scheduled", "waiting", "M58 44V64", true],
  ["waiting", "running", "M108 85H128", true],
  ["running", "scheduled", "M128 76C114 76 122 23 108 23", true],
  ["running", "handed", "M178 64V44", true],
  ["running", "completed", "M228 76C242 76 234 30 248 30", true],
  ["running", "error", "M228 85H248", true],
  ["running", "cancelled", "M228 94C242 94 234 140 248 140", true],
  ["handed", "completed", "M228 18H248", true],
  ["handed", "error", "M228 30C242 30 234 78 248 78", false],
  ["handed", "cancelled", "M228 34C240 34 236 134 248 134", false],
  ["waiting", "cancelled", "M58 106V150H248", false],
  ["waiting", "error", "M58 106V116H298V106", false],
  ["scheduled", "cancelled", "M8 23H2V156H248", false],
  ["scheduled", "error", "M8 23H2V116H298V106", false],
];
const LATER = ["completed", "failed", "lease"]; // how the calls end that were handed off

/** Return {node, update(job)}. */
export function diagram() {
  const picture = svg("svg", { class: "diagram", viewBox: "0 0 350 170", role: "img" });
  const node = h("div", { class: "diagram-box" }, picture);
  let shown = "";
  /** @param {Job} job */
  function update(job) {
    const way = wayOf(job);
    const words = inWords(job, way);
    if (words === shown) return;
    shown = words;
    attr(picture, "aria-label", words);
    const lines = WAYS.filter(([from, to, , always]) => always || way.lines.has(`${from} ${to}`));
    put(
      picture,
      lines.map(([from, to, line]) => svg("path", { class: way.lines.has(`${from} ${to}`) ? "way taken" : "way", d: line })),
      Object.entries(PLACES).map(([place, corner]) => box(/** @type {Place} */ (place), corner, way)),
    );
  }
  return { node, update };
}

/**
 * @typedef {{present: Place, lines: Set<string>, times: Map<Place, {said: string, at: string | null}>}} Way
 *
 * @param {Job} job
 * @returns {Way}
 */
export function wayOf(job) {
  const accepted = job.state === "running" && job.lease_until !== null;
  const called = job.attempt > 0;
  const again = job.attempts.length > (isFinished(job.state) ? 1 : 0);
  const later = job.delay !== null || job.run_at !== null;
  const handed = accepted || job.attempts.some(({ outcome }) => LATER.includes(outcome));
  const present = accepted ? "handed" : /** @type {Place} */ (job.state);
  const since = (/** @type {Place} */ place) => (place === present ? "since" : "from");
  /** @type {Way["times"]} */
  const times = new Map();
  if (job.state === "scheduled" || later || again) times.set("scheduled", { said: "due", at: job.due_at });
  if (job.waiting_at !== null || called) times.set("waiting", { said: since("waiting"), at: job.waiting_at });
  if (called) times.set("running", { said: since("running"), at: job.started_at });
  if (handed) times.set("handed", { said: "lease until", at: job.lease_until });
  if (isFinished(job.state)) times.set(present, { said: "at", at: job.ended_at });
  const last = handed && LATER.includes(job.attempts[0]?.outcome ?? "") ? "handed" : called ? "running" : null;
  const lines = new Set();
  if (times.has("scheduled") && times.has("waiting") && (later || again)) lines.add("scheduled waiting");
  if (called) lines.add("waiting running");
  if (again) lines.add("running scheduled");
  if (handed) lines.add("running handed");
  if (isFinished(job.state)) lines.add(`${last ?? (job.waiting_at !== null ? "waiting" : "scheduled")} ${job.state}`);
  return { present, lines, times };
}

/** @param {Place} place */
const word = (place) => (place === "handed" ? "Handed off" : (stateInfo(place)?.one ?? stateInfo(place)?.word ?? place));

/**
 * @param {Place} place
 * @param {[number, number]} corner
 * @param {Way} way
 */
function box(place, [x, y], way) {
  const time = way.times.get(place);
  const kind = place === way.present ? `here here-${place}` : time ? "been" : "";
  const said = time?.at ? `${time.said === "lease until" ? "until" : time.said} ${clock(time.at)}` : "";
  return svg(
    "g",
    { class: `place ${kind}` },
    svg("rect", { x, y, width: WIDTH, height: HEIGHT, rx: 6 }),
    svg("text", { x: x + 10, y: y + (said ? 18 : 25), class: "place-name" }, word(place)),
    said ? svg("text", { x: x + 10, y: y + 33, class: "place-time" }, said) : null,
  );
}

/** The time of day, of another day the day too. @param {string} at */
function clock(at) {
  const [day, today] = [new Date(at), new Date(now())];
  /** @type {Intl.DateTimeFormatOptions} */
  const style =
    day.toDateString() === today.toDateString()
      ? { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }
      : { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return day.toLocaleString("en", style);
}

/** @param {Job} job @param {Way} way */
function inWords(job, way) {
  const told = [...way.times].map(([place, { said, at }]) => (at ? `${word(place)} ${said} ${absolute(at)}` : word(place)));
  const added = job.added_at ? [`Added at ${absolute(job.added_at)}`] : [];
  const state = way.present === "error" ? "in error" : word(way.present).toLowerCase();
  return [`The job is ${state}`, ...added, ...told].join("; ");
}
