/**
 * What this caller may do, and buttons that act: one that a role may not use says why, one that a node lacks is not there.
 *
 * @typedef {import("./types.js").Role} Role
 */

import { can } from "./api.js";
import { attr, h } from "./dom.js";
import { fail, say } from "./notice.js";

/** @type {Role | null} */
let role = null;

/** @param {Role | null} told null: not known, so everything is tried, and the node decides */
export function setRole(told) {
  role = told;
}

/** Return the role of this caller, null where it is not known. */
export const getRole = () => role;

/**
 * Return why this caller may not make a call, null where they may.
 *
 * @param {string} method
 * @param {string} path
 */
export function refusal(method, path) {
  if (role === null || role === "admin" || (role === "push" && method === "POST" && path === "/add")) return null;
  return `Your role is ${role}: ${role === "read" ? "it may look, not act" : "it may add jobs, and nothing else"}`;
}

/**
 * Return a button that makes a call, null where the node has no such call.
 *
 * @param {string} label
 * @param {string} method
 * @param {string} path of the call, as /openapi.json spells it: /job/{uid}/retry
 * @param {() => Promise<unknown>} run does it, and asks before where it must; what it throws is told
 * @param {{class?: string, "aria-label"?: string, type?: "button" | "submit"}} [props]
 * @returns {HTMLButtonElement | null}
 */
export function act(label, method, path, run, props = {}) {
  if (!can(method, path)) return null;
  const why = refusal(method, path);
  let busy = false;
  const click = async () => {
    if (why !== null) return say(why);
    if (busy) return;
    busy = true;
    attr(button, "aria-busy", true);
    try {
      await run();
    } catch (error) {
      fail(error, label);
    } finally {
      busy = false;
      attr(button, "aria-busy", null);
    }
  };
  const told = why === null ? {} : { "aria-disabled": true, title: why };
  const button = h("button", { type: "button", ...props, ...told, onclick: () => void click() }, label);
  return button;
}
