/**
 * The fields of a form, one control each: each reads its part of what is asked of the API, writes it from a job, and shows
 * the rule that it breaks.
 *
 * @typedef {Record<string, unknown>} Fields as POST /add takes them
 * @typedef {import("../../lib/form.js").Field} Field
 * @typedef {{name: string, label: string, hint?: string, placeholder?: string}} Named
 * @typedef {object} Control
 * @property {string} name of the field that it is for; `paths` of broken rules begin with it
 * @property {HTMLElement} node
 * @property {() => Fields} read what is given; throws `Broken`
 * @property {(fields: Fields) => void} write
 * @property {(path: string, rule: string) => boolean} fail shows a rule, if it is one of its own
 * @property {() => void} clear takes the rules away
 */

import { h, text } from "../../lib/dom.js";
import { parse } from "../../lib/exact.js";
import { fieldShown, numberOf } from "../../lib/form.js";

let ids = 0;

/** A field that cannot be sent at all. */
export class Broken extends Error {
  /** @param {string} path @param {string} rule */
  constructor(path, rule) {
    super(rule);
    this.path = path;
  }
}

/**
 * Return a control of a field.
 *
 * @param {Field} field
 * @param {(value: string) => unknown} value of what was typed; undefined: nothing was given
 * @param {(value: unknown) => string} shown
 * @returns {Control}
 */
function control(field, value, shown) {
  const { name } = field;
  const { node, control: input, complain } = fieldShown(field, `job${(ids += 1)}`);
  const last = name.slice(name.lastIndexOf(".") + 1);
  return {
    name,
    node,
    read() {
      const given = input.value.trim() === "" ? undefined : value(input.value);
      return given === undefined ? {} : { [last]: given };
    },
    write(fields) {
      const given = fields[last];
      input.value = given === undefined || given === null ? "" : shown(given);
    },
    fail(path, rule) {
      if (path !== name && !path.startsWith(`${name}.`)) return false;
      complain(path === name ? rule : `${path.slice(name.length + 1)}: ${rule}`);
      return true;
    },
    clear: () => complain(""),
  };
}

/** A line of text. @param {Named & {inputmode?: string, required?: boolean}} named */
export function line({ placeholder, inputmode, required, ...named }) {
  return control({ ...named, required, props: { placeholder, inputmode, spellcheck: "false" } }, (value) => value, String);
}

/** A number; what is none goes as it is, and the node says the rule. @param {Named} named */
export function number({ placeholder, ...named }) {
  return control({ ...named, kind: "number", props: { placeholder } }, (value) => numberOf(value) ?? undefined, String);
}

/** One of some values. @param {Named & {choices: [string, string][]}} named value and what it is called */
export function choice(named) {
  return control({ ...named, kind: "choice" }, (value) => value, String);
}

/** Yes, or not given. @param {Named} named */
export function yes(named) {
  const field = /** @type {const} */ ({ ...named, kind: "choice", choices: [["", "No"], ["true", "Yes"]] });
  return control(field, () => true, (value) => (value === true ? "true" : ""));
}

/** A time, in the zone of who looks. @param {Named} named */
export function moment(named) {
  /** @param {unknown} value */
  const local = (value) => {
    const at = new Date(String(value));
    return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  };
  return control({ ...named, props: { type: "datetime-local", step: 1 } }, (value) => new Date(value).toISOString(), local);
}

/**
 * JSON, or what else a field may be: `bare` reads a text that does not begin like an object or a list.
 *
 * @param {Named & {rows?: number, bare?: (text: string) => unknown}} named
 */
export function json({ rows = 1, placeholder, bare, ...named }) {
  const value = (/** @type {string} */ said) => (bare && !/^\s*[[{]/.test(said) ? bare(said.trim()) : readJson(named.name, said));
  const field = /** @type {const} */ ({ ...named, kind: "area", props: { class: "code", rows, placeholder } });
  return control(field, value, (given) => (typeof given === "string" ? given : JSON.stringify(given, null, rows > 2 ? 2 : 0)));
}

/** @param {string} name @param {string} said */
export function readJson(name, said) {
  try {
    return parse(said);
  } catch (error) {
    throw new Broken(name, `no JSON: ${error instanceof Error ? error.message : ""}`);
  }
}

/**
 * Several controls whose values stand together in one field, an object.
 *
 * @param {string} name
 * @param {string} label
 * @param {Control[]} controls
 * @returns {Control}
 */
export function group(name, label, controls) {
  const error = h("p", { class: "field-error" });
  const node = h("fieldset", { class: "field-group" }, h("legend", null, label), controls.map((one) => one.node), error);
  return {
    name,
    node,
    read() {
      const given = Object.assign({}, ...controls.map((one) => one.read()));
      return Object.keys(given).length > 0 ? { [name]: given } : {};
    },
    write: (fields) => controls.forEach((one) => one.write(/** @type {Fields} */ (fields[name] ?? {}))),
    fail(path, rule) {
      if (controls.some((one) => one.fail(path, rule))) return true;
      if (path !== name) return false;
      text(error, rule);
      return true;
    },
    clear() {
      text(error, "");
      for (const one of controls) one.clear();
    },
  };
}
