/**
 * What an add is given to have a job once more, and what a change of it is.
 *
 * @typedef {import("../../lib/types.js").Job} Job
 * @typedef {import("./controls.js").Fields} Fields
 */

/** What places a job, which never changes. */
export const PLACING = ["key", "ordered", "unique", "on_conflict", "limit", "idempotency_key"];

const ASKED = [
  "url", "method", "headers", "body", "body_base64", "queue", "priority", "delay", "run_at", "timeout", "max_attempts",
  "unreached_attempts", "backoff", "success", "ttl", "meta", "redirects", "redact", "key", "ordered", "unique", "on_conflict",
  "limit", "callback", "idempotency_key",
];
const MOVING = ["priority", "delay", "run_at"]; // which its line says of an ordered job

/**
 * Return the fields of a job as POST /add takes them; what is not given there is left out.
 *
 * @param {Job} job
 * @returns {Fields}
 */
export function ofJob(job) {
  const fields = Object.fromEntries(ASKED.map((name) => [name, job[/** @type {keyof Job} */ (name)]]).filter(([name, value]) => isGiven(String(name), value)));
  if (job.unique === null || job.on_conflict === "keep") delete fields.on_conflict;
  if (job.ordered) for (const name of MOVING) delete fields[name];
  else delete fields.ordered;
  if (job.callback_of !== null) delete fields.queue; // only a callback may stand in theirs
  return fields;
}

/**
 * Return them for one more job, at once: without what says when the first was due, and what would take it for a repeat.
 *
 * @param {Job} job
 * @returns {Fields}
 */
export function ofAgain(job) {
  const fields = ofJob(job);
  for (const name of ["delay", "run_at", "idempotency_key"]) delete fields[name];
  return fields;
}

/** @param {string} name @param {unknown} value */
function isGiven(name, value) {
  if (value === null || value === undefined) return false;
  return name === "body" || typeof value !== "object" || Object.keys(value).length > 0; // a body may be {}
}

/** Return which fields cannot be changed of a job. @param {Job} job */
export function fixed(job) {
  if (job.callback_of !== null) return [...PLACING, "callback", "queue"];
  return job.ordered ? [...PLACING, ...MOVING, "queue"] : PLACING;
}

/**
 * Return what PATCH is told: what differs, and null for what is not given any more.
 *
 * @param {Fields} before
 * @param {Fields} after
 * @returns {Fields}
 */
export function changes(before, after) {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const differing = [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  return Object.fromEntries(differing.map((name) => [name, after[name] ?? null]));
}
