/**
 * Forms: fields with labels and hints, and every rule that an answer says is broken at its field.
 *
 * @typedef {object} Field
 * @property {string} name as the API calls it
 * @property {string} label
 * @property {string} [hint] what may stand there
 * @property {"text" | "number" | "area" | "choice"} [kind] text where it is not given; a number may be left empty: null
 * @property {string | number | null} [value]
 * @property {readonly (readonly [value: string, label: string])[]} [choices]
 * @property {string} [group] the heading that it stands under, together with those of the same one
 * @property {boolean} [required]
 * @property {import("./dom.js").Props} [props] more attributes of its control
 *
 * @typedef {Record<string, string>} Values what stands in the fields, as it was typed
 * @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Control
 * @typedef {{node: HTMLElement, control: Control, complain: (rule: string) => void}} FieldShown
 */

import { Problem } from "./api.js";
import { open } from "./dialog.js";
import { attr, h, text } from "./dom.js";
import { inWords } from "./notice.js";

let forms = 0; // so that ids differ

/**
 * Return a form. `submit` makes the call; what it throws is told in the form.
 *
 * @param {{fields: Field[], verb: string, submit: (values: Values) => Promise<unknown>, leave?: () => void}} what
 *   leave: there is a button that does so
 */
export function form({ fields, verb, submit, leave }) {
  const id = `form${(forms += 1)}`;
  const shown = new Map(fields.map((field) => [field.name, fieldShown(field, id)]));
  const wrong = h("p", { class: "field-error", role: "alert" });
  const button = h("button", { type: "submit", class: "primary" }, verb);
  const away = leave ? h("button", { type: "button", onclick: leave }, "Leave it") : null;
  /** @param {SubmitEvent} event */
  const submitted = async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    text(wrong, "");
    if (missing(fields, shown)) return;
    attr(button, "aria-busy", true);
    try {
      await submit(Object.fromEntries([...shown].map(([name, { control }]) => [name, control.value])));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      text(wrong, complain(shown, error));
    } finally {
      attr(button, "aria-busy", false);
    }
  };
  return h(
    "form",
    { class: "form", novalidate: true, onsubmit: submitted },
    grouped(fields, shown),
    wrong,
    h("div", { class: "dialog-acts" }, away, button),
  );
}

/**
 * Open a dialog with a form; it closes when the call was made.
 *
 * @param {{title: string, detail?: string, fields: Field[], verb: string, submit: (values: Values) => Promise<unknown>}} what
 */
export function formDialog({ title, detail, fields, verb, submit }) {
  const done = async (/** @type {Values} */ values) => {
    await submit(values);
    dialog.close();
  };
  const node = form({ fields, verb, submit: done, leave: () => dialog.close() });
  const dialog = open(title, detail ? [h("p", { class: "form-detail" }, detail), node] : [node]);
  dialog.querySelector("input")?.focus();
}

/** Return the number that was typed, null where nothing was; what is none is left to the node to refuse. @param {string | undefined} typed */
export function numberOf(typed) {
  const said = (typed ?? "").trim();
  return said === "" ? null : Number.isNaN(Number(said)) ? said : Number(said);
}

/**
 * Return the fields, those of a group together under its heading.
 *
 * @param {Field[]} fields
 * @param {Map<string, FieldShown>} shown
 */
function grouped(fields, shown) {
  return [...new Set(fields.map(({ group = "" }) => group))].map((group) => {
    const nodes = fields.filter((field) => (field.group ?? "") === group).map(({ name }) => shown.get(name)?.node);
    return h("fieldset", { class: "form-part" }, group ? h("legend", null, group) : null, nodes);
  });
}

/**
 * Return a field: its label, its control, what may stand there, and the place for the rule that it breaks.
 *
 * @param {Field} field
 * @param {string} form_id
 * @returns {FieldShown}
 */
export function fieldShown(field, form_id) {
  const id = `${form_id}-${field.name}`;
  const control = controlOf(field, id);
  const hint = field.hint ? h("span", { class: "field-hint", id: `${id}-hint` }, field.hint) : null;
  const error = h("span", { class: "field-error", id: `${id}-error` });
  const described = hint ? `${error.id} ${hint.id}` : error.id;
  attr(control, "aria-describedby", described);
  const node = h("div", { class: field.kind === "area" ? "field wide" : "field" }, h("label", { for: id }, field.label), control, hint, error);
  /** @param {string} rule */
  function complain(rule) {
    text(error, rule);
    attr(control, "aria-invalid", rule ? true : null);
  }
  return { node, control, complain };
}

/** @param {Field} field @param {string} id */
function controlOf({ name, kind = "text", value, choices = [], required = false, props = {} }, id) {
  const said = value === null || value === undefined ? "" : String(value);
  const given = { id, name, required, ...props };
  if (kind === "area") return h("textarea", { rows: 4, spellcheck: "false", ...given }, said);
  if (kind === "choice") {
    return h("select", given, choices.map(([choice, label]) => h("option", { value: choice, selected: choice === said }, label)));
  }
  const control = h("input", { type: "text", autocomplete: "off", inputmode: kind === "number" ? "decimal" : null, ...given });
  control.value = said;
  return control;
}

/**
 * Say of each field that must not be empty, and is, that it is needed; tells whether there is one.
 *
 * @param {Field[]} fields
 * @param {Map<string, FieldShown>} shown
 */
function missing(fields, shown) {
  for (const field of shown.values()) field.complain("");
  const empty = fields.filter(({ name, required }) => required && shown.get(name)?.control.value.trim() === "");
  for (const { name } of empty) shown.get(name)?.complain("needed");
  shown.get(empty[0]?.name ?? "")?.control.focus();
  return empty.length > 0;
}

/**
 * Say every broken rule at its field, and return what has none.
 *
 * @param {Map<string, FieldShown>} shown
 * @param {Problem} problem
 */
function complain(shown, problem) {
  /** @type {Map<string, string[]>} */
  const rules = new Map();
  const rest = [];
  for (const { path, rule } of problem.errors) {
    const name = [...shown.keys()].find((name) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`));
    if (name !== undefined) rules.set(name, [...(rules.get(name) ?? []), path === name ? rule : `${path.slice(name.length + 1)}: ${rule}`]);
    else rest.push(`${path}: ${rule}`);
  }
  for (const [name, said] of rules) shown.get(name)?.complain(said.join("; "));
  [...shown].find(([name]) => rules.has(name))?.[1].control.focus();
  return problem.errors.length > 0 ? rest.join("; ") : inWords(problem);
}
