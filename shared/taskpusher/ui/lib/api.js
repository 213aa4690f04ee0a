/**
 * Asks the API: JSON in, JSON out, and every failure thrown as one kind of error that says what and what to do.
 *
 * Paths are relative to the page (`jobs/errors`), so that it works under the prefix of a proxy.
 */

import { parse } from "./exact.js";

const TIMEOUT_MS = 15_000;
// The page's own URL, but for the user and password that somebody may have opened it with: nothing may be fetched with these.
const HERE = location.origin + location.pathname;

/** Return the whole URL of a path. @param {string} path */
export const urlOf = (path) => new URL(path, HERE).href;

/** An answer that tells a problem (RFC 9457), or that there was no answer: then its status is 0. */
export class Problem extends Error {
  /**
   * @param {{type: string, title: string, status: number, detail?: string, uid?: string,
   *   errors?: {path: string, rule: string}[]}} told
   */
  constructor(told) {
    super(told.detail || told.title);
    this.type = told.type;
    this.title = told.title;
    this.status = told.status;
    this.detail = told.detail ?? "";
    this.errors = told.errors ?? [];
    this.uid = told.uid ?? null;
  }
}

/**
 * @typedef {object} Options
 * @property {AbortSignal} [signal]
 * @property {unknown} [body] sent as JSON
 * @property {boolean} [exact] see exact.js
 * @property {boolean} [plain] the answer is text
 * @property {number} [within_ms]
 */

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 * @returns {Promise<any>}
 */
async function ask(method, path, { signal, body, exact = false, plain = false, within_ms = TIMEOUT_MS }) {
  const limit = AbortSignal.timeout(within_ms);
  /** @type {RequestInit} */
  const init = { method, signal: signal ? AbortSignal.any([signal, limit]) : limit, cache: "no-store" };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  let answer, said;
  try {
    answer = await fetch(urlOf(path), init);
    said = await answer.text();
  } catch {
    signal?.throwIfAborted();
    throw new Problem({ type: "no-answer", title: "No answer", status: 0, detail: "The node does not answer" });
  }
  return plain && answer.ok ? said : read(answer, said, exact ? parse : JSON.parse);
}

/**
 * Return the JSON of an answer, whatever its status: GET /ready answers 503 with JSON. A problem is thrown.
 *
 * @param {Response} answer
 * @param {string} said
 * @param {(said: string) => any} parsed
 */
function read(answer, said, parsed) {
  const kind = answer.headers.get("Content-Type") ?? "";
  if (answer.status === 204) return null;
  try {
    if (kind.startsWith("application/json")) return parsed(said);
    if (kind.startsWith("application/problem+json")) throw new Problem(JSON.parse(said));
  } catch (error) {
    if (error instanceof Problem) throw error;
  }
  const detail = `${answer.status} ${answer.statusText}, which no node says: is there a proxy between?`;
  throw new Problem({ type: "no-answer", title: "Not an answer of TaskPusher", status: answer.status, detail });
}

/** @param {string} path @param {Options} [options] */
export const get = (path, options = {}) => ask("GET", path, options);
/** @param {string} path @param {unknown} [body] @param {Options} [options] */
export const post = (path, body, options = {}) => ask("POST", path, { ...options, body });
/** @param {string} path @param {unknown} [body] @param {Options} [options] */
export const put = (path, body, options = {}) => ask("PUT", path, { ...options, body });
/** @param {string} path @param {unknown} [body] @param {Options} [options] */
export const patch = (path, body, options = {}) => ask("PATCH", path, { ...options, body });
/** @param {string} path @param {Options} [options] */
export const del = (path, options = {}) => ask("DELETE", path, options);

/**
 * Return a path with a query; what is null, undefined or "" is left out.
 *
 * @param {string} path
 * @param {Record<string, string | number | boolean | null | undefined>} query
 */
export function withQuery(path, query) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") given.set(name, String(value));
  }
  return given.size ? `${path}?${given}` : path;
}

/** @type {{paths: Record<string, Record<string, any>>} | null} */
let contract = null;

/** @type {Set<() => boolean>} what was taken to be there before the contract was known */
const assumed = new Set();

/** Ask what this node can do; returns whether something is not there that was taken to be. */
export async function learn() {
  contract = await get("openapi.json");
  const wrong = [...assumed].some((still) => !still());
  assumed.clear();
  return wrong;
}

/** Tell whether the contract is known. */
export const learned = () => contract !== null;

/**
 * Tell whether the node has a call, by its path in /openapi.json: can("POST", "/jobs/{state}/retry").
 *
 * @param {string} method
 * @param {string} path
 */
export function can(method, path) {
  if (contract !== null) return contract.paths[path]?.[method.toLowerCase()] !== undefined;
  assumed.add(() => can(method, path));
  return true;
}
