/** Dialogs: one that shows something, and one that asks before many jobs are changed or anything is lost. */

import { h } from "./dom.js";
import { count } from "./format.js";

const TYPED_ABOVE = 1_000;

/**
 * Show something in a dialog, with a way out.
 *
 * @param {string} title
 * @param {...Node} content
 * @returns {HTMLDialogElement}
 */
export function show(title, ...content) {
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const dialog = open(title, [...content, h("div", { class: "dialog-acts" }, close)]);
  return dialog;
}

/**
 * Ask whether something shall be done; names the verb and how many. Above 1,000 their number is typed.
 *
 * @param {{verb: string, what: string, count?: number, detail?: string}} asked as in "Delete", "3,204 jobs"
 * @returns {Promise<boolean>}
 */
export function ask({ verb, what, count: many = 1, detail }) {
  return new Promise((resolve) => {
    let agreed = false;
    const typed = h("input", { name: "count", inputmode: "numeric", autocomplete: "off", required: true });
    const must_type = many > TYPED_ABOVE;
    const wrong = h("p", { class: "field-error", role: "alert" });
    /** @param {SubmitEvent} event */
    const submit = (event) => {
      event.preventDefault();
      if (must_type && typed.value.replace(/\D/g, "") !== String(many)) {
        wrong.textContent = `Type ${count(many)}, or leave it`;
        typed.focus();
        return;
      }
      agreed = true;
      dialog.close();
    };
    const form = h(
      "form",
      { method: "dialog", onsubmit: submit },
      detail ? h("p", null, detail) : null,
      must_type ? h("label", null, `These are many. Type ${count(many)} to go on`, typed) : null,
      wrong,
      h(
        "div",
        { class: "dialog-acts" },
        h("button", { type: "button", onclick: () => dialog.close() }, "Leave it"),
        h("button", { type: "submit", class: "primary" }, `${verb} ${what}`),
      ),
    );
    const dialog = open(`${verb} ${what}?`, [form]);
    dialog.addEventListener("close", () => resolve(agreed));
  });
}

/**
 * Open a dialog with a title; it is gone once it is closed, and focus is back where it was.
 *
 * @param {string} title
 * @param {Node[]} content
 */
export function open(title, content) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": heading.id }, heading, content);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  document.body.append(dialog);
  dialog.showModal();
  dialog.scrollTop = 0; // a long one begins at its title, wherever the focus is
  return dialog;
}
