/**
 * The body of a job: JSON, which is checked as it is typed, a text, or bytes as base64.
 *
 * @typedef {import("./controls.js").Control} Control
 * @typedef {import("./controls.js").Fields} Fields
 */

import { attr, h, text } from "../../lib/dom.js";
import { Broken, readJson } from "./controls.js";
import { pretty } from "../../lib/exact.js";

/** @type {[string, string][]} */
const KINDS = [["json", "JSON"], ["text", "Text"], ["base64", "Bytes, as base64"]];

/** @returns {Control} */
export function bodyField() {
  const kind = h("select", { "aria-label": "What the body is", onchange: check }, KINDS.map(([value, said]) => h("option", { value }, said)));
  const input = h("textarea", { class: "code", id: "field-body", rows: 5, spellcheck: "false", "aria-describedby": "field-body-error", oninput: check });
  const error = h("span", { class: "field-error", id: "field-body-error", "aria-live": "polite" });
  const head = h("div", { class: "field-head" }, h("label", { for: input.id }, "Body"), kind);
  const node = h("div", { class: "field" }, head, input, error);

  /** @type {{shown: string, kind: string, given: Fields} | null} what was written, which stays to the byte: no field holds every line end */
  let written = null;

  /** @param {string} rule */
  function say(rule) {
    text(error, rule);
    attr(input, "aria-invalid", rule === "" ? null : "true");
  }

  function check() {
    try {
      read();
      say("");
    } catch (broken) {
      if (!(broken instanceof Broken)) throw broken;
      say(`This is ${broken.message}`);
    }
  }

  function read() {
    if (written && input.value === written.shown && kind.value === written.kind) return written.given;
    if (input.value === "") return {};
    if (kind.value === "base64") return { body_base64: input.value.replace(/\s/g, "") };
    if (kind.value === "text") return { body: input.value };
    if (input.value.trim() === "") return {};
    const body = readJson("body", input.value);
    // a text in JSON would be sent as that text, without its quotes
    if (typeof body === "string") throw new Broken("body", "a single text: choose Text");
    return { body };
  }

  return {
    name: "body",
    node,
    read,
    write(fields) {
      const { body, body_base64 } = fields;
      const bytes = typeof body_base64 === "string";
      kind.value = bytes ? "base64" : typeof body === "string" ? "text" : "json";
      input.value = bytes ? body_base64 : typeof body === "string" ? body : body === undefined || body === null ? "" : pretty(body);
      const given = Object.fromEntries(Object.entries(fields).filter(([name]) => name === "body" || name === "body_base64"));
      written = { shown: input.value, kind: kind.value, given };
    },
    fail(path, rule) {
      if (path !== "body" && path !== "body_base64") return false;
      say(rule);
      return true;
    },
    clear: () => say(""),
  };
}
