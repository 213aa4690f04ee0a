/**
 * The states of a job: their order, words, icons, and the time that listings go by. State is said by icon and word.
 *
 * @typedef {import("./types.js").State} State
 * @typedef {"waiting_at" | "due_at" | "started_at" | "ended_at"} TimeName
 * @typedef {{state: State, path: string, word: string, one?: string, time: TimeName, when: string, icon: string}} StateInfo
 */

import { h, icon } from "./dom.js";

/** @type {readonly StateInfo[]} `path` is how the API spells a listing of it, `word` its title, `one` what a job in it is */
export const STATES = [
  {
    state: "waiting", path: "waiting", word: "Waiting", time: "waiting_at", when: "Waiting since",
    icon: "M4.5 2h7M4.5 14h7M5 2c0 3.5 6 5 6 12M11 2c0 3.5-6 5-6 12",
  },
  {
    state: "scheduled", path: "scheduled", word: "Scheduled", time: "due_at", when: "Due",
    icon: "M8 1.8a6.2 6.2 0 1 0 .01 0M8 4.5V8l2.5 1.8",
  },
  { state: "running", path: "running", word: "Running", time: "started_at", when: "Started", icon: "M5 3l7.5 5L5 13z" },
  { state: "completed", path: "completed", word: "Completed", time: "ended_at", when: "Ended", icon: "M3 8.5l3.4 3.4L13 4.6" },
  { state: "error", path: "errors", word: "Errors", one: "Error", time: "ended_at", when: "Ended", icon: "M8 1.8L14.6 13.6H1.4zM8 6v3.6M8 11.4v.2" },
  {
    state: "cancelled", path: "cancelled", word: "Cancelled", time: "ended_at", when: "Ended",
    icon: "M8 1.8a6.2 6.2 0 1 0 .01 0M3.7 12.3l8.6-8.6",
  },
];

/** @param {string} name a state, or how a listing's path spells it */
export function stateInfo(name) {
  return STATES.find(({ state, path }) => state === name || path === name);
}

/** Tell whether a job in this state has ended. @param {string} name */
export const isFinished = (name) => stateInfo(name)?.time === "ended_at";

/** Return the icon and the word of a state. @param {string} name @param {{listing?: boolean}} [how] of the listing */
export function stateMark(name, { listing = false } = {}) {
  const known = stateInfo(name);
  if (!known) return h("span", { class: "state" }, name); // of a newer node
  return h("span", { class: `state state-${known.state}` }, icon(known.icon), listing ? known.word : (known.one ?? known.word));
}
