/** The field that narrows a listing, or finds a job by its uid; what is wrong is told at the field. */

import * as address from "../../lib/address.js";
import { get, Problem } from "../../lib/api.js";
import { attr, h, icon, text } from "../../lib/dom.js";
import { NAMES, parse } from "../../lib/filter.js";
import { inWords } from "../../lib/notice.js";

const LENS = "M7 2.5a4.5 4.5 0 1 0 .01 0M10.3 10.3l3.2 3.2";

/**
 * @param {string} first
 * @param {() => void} leave takes the focus on, to what the filter lists
 */
export function filterBox(first, leave) {
  const wrong = h("p", { class: "field-error", id: "filter-wrong", role: "alert" });
  const names = [...NAMES.slice(0, 6), "meta.NAME", "uid", ...NAMES.slice(6)].map((name) => `${name}:`).join(" ");
  const hint = h("p", { class: "hint", id: "filter-hint" }, `${names} such as status:5xx key:"two words" since:1h`);
  const field = h("input", {
    type: "search", name: "q", placeholder: "queue:mails status:5xx, or a uid", "aria-label": "Filter",
    "aria-describedby": "filter-wrong filter-hint", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 2_000,
  });
  const clear = h("button", { type: "button", class: "plain filter-clear", "aria-label": "Clear the filter", title: "Clear the filter" }, icon("M4 4l8 8M12 4l-8 8"));
  const node = h("form", { class: "filter", role: "search" }, h("div", { class: "filter-field" }, icon(LENS), field, clear), wrong, hint);

  node.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit().then((listed) => listed && leave());
  });
  clear.addEventListener("click", () => {
    field.value = "";
    field.focus();
    void submit();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    set(address.read().q ?? "");
    leave();
  });
  field.addEventListener("input", () => (clear.hidden = field.value === ""));

  /** Return whether jobs are listed by what stands there. */
  async function submit() {
    const value = field.value.trim();
    const { uid, wrong } = parse(value);
    tell(wrong);
    if (wrong === null && uid !== null) await find(uid);
    else address.go({ q: value, pages: null }); // also a wrong one: what it replaces may not be acted on in its place
    return wrong === null && uid === null;
  }

  /** Open a job, where it is there. @param {string} uid */
  async function find(uid) {
    try {
      await get(`job/${encodeURIComponent(uid)}`);
      set(address.read().q ?? "");
      address.go({ job: uid });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tell(error.status === 404 ? `uid: no job here is ${uid}; it may have been deleted` : inWords(error));
    }
  }

  /** @param {string | null} what */
  function tell(what) {
    text(wrong, what ?? "");
    attr(field, "aria-invalid", what !== null);
  }

  /** @param {string} value */
  function set(value) {
    field.value = value;
    clear.hidden = value === "";
    const { uid, wrong } = parse(value);
    tell(wrong ?? (uid === null ? null : "Press Enter to open this job"));
  }

  /** Tell whether it says something that was not asked for yet. */
  const pending = () => field.value.trim() !== (address.read().q ?? "").trim();

  set(first);
  return { node, tell, set, pending, focus: () => field.select() };
}
