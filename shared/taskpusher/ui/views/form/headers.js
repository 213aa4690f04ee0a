/**
 * The headers of a job as rows of name and value.
 *
 * @typedef {import("./controls.js").Control} Control
 */

import { attr, h, icon, text } from "../../lib/dom.js";
import { Broken } from "./controls.js";

const NAME = "headers";
const CROSS = "M4 4l8 8M12 4l-8 8";

/** @returns {Control} */
export function headerRows() {
  const rows = h("div", { class: "header-rows" });
  const error = h("p", { class: "field-error" });
  const more = h("button", { type: "button", onclick: () => row("", "").focus() }, "Add a header");
  const node = h("fieldset", { class: "field-group header-fields" }, h("legend", null, "Headers"), rows, error, more);

  /** @param {string} name @param {string} value */
  function row(name, value) {
    const named = h("input", { class: "header-name", "aria-label": "Name of the header", placeholder: "Name", autocomplete: "off", spellcheck: "false" });
    const given = h("input", { class: "header-value", "aria-label": "Value of the header", placeholder: "Value", autocomplete: "off", spellcheck: "false" });
    const remove = h("button", { type: "button", class: "plain", "aria-label": "Remove this header", onclick: () => gone() }, icon(CROSS));
    const line = h("div", { class: "header-row" }, named, given, remove, h("p", { class: "field-error" }));
    named.value = name;
    given.value = value;
    function gone() {
      line.remove();
      node.dispatchEvent(new Event("input", { bubbles: true }));
      more.focus();
    }
    rows.append(line);
    return named;
  }

  const all = () => [...rows.children].map((line) => ({ line, inputs: [...line.querySelectorAll("input")] }));

  return {
    name: NAME,
    node,
    read() {
      /** @type {Record<string, string>} */
      const given = {};
      for (const { inputs } of all()) {
        const [name, value] = inputs.map((input) => input.value);
        if (!name?.trim()) {
          if (value) throw new Broken(NAME, `the header of the value ${value.slice(0, 40)} has no name`);
          continue;
        }
        if (Object.hasOwn(given, name.trim())) throw new Broken(`${NAME}.${name.trim()}`, "given more than once");
        Object.defineProperty(given, name.trim(), { value: value ?? "", enumerable: true }); // also __proto__
      }
      return Object.keys(given).length > 0 ? { [NAME]: given } : {};
    },
    write(fields) {
      rows.textContent = "";
      const given = /** @type {Record<string, string>} */ (fields[NAME] ?? {});
      for (const [name, value] of Object.entries(given)) row(name, value);
    },
    fail(path, rule) {
      if (path !== NAME && !path.startsWith(`${NAME}.`)) return false;
      const name = path.slice(NAME.length + 1);
      const found = path === NAME ? undefined : all().findLast(({ inputs }) => inputs[0]?.value.trim().slice(0, 100) === name);
      if (!found) text(error, path === NAME ? rule : `${name}: ${rule}`);
      else {
        text(/** @type {Element} */ (found.line.querySelector(".field-error")), rule);
        for (const input of found.inputs) attr(input, "aria-invalid", "true");
      }
      return true;
    },
    clear() {
      text(error, "");
      for (const { line, inputs } of all()) {
        text(/** @type {Element} */ (line.querySelector(".field-error")), "");
        for (const input of inputs) attr(input, "aria-invalid", null);
      }
    },
  };
}
