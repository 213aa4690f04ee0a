/**
 * The bar of what is selected: how many, and what can be done to them all.
 *
 * @typedef {import("../../lib/states.js").StateInfo} StateInfo
 * @typedef {import("../../lib/verbs.js").Verb} Verb
 * @typedef {import("./selection.js").Selection} Selection
 * @typedef {object} Selecting
 * @property {StateInfo} info
 * @property {Selection} selection
 * @property {() => Record<string, string>} params the filters of the listing
 * @property {string} q they, as somebody typed them
 * @property {() => boolean} pending whether the filter box says something else by now
 * @property {() => boolean} more whether jobs match that are not shown
 * @property {import("./onebyone.js").Changed} changed
 * @property {() => void} draw
 * @property {() => void} refresh
 */

import { bulk, counted, frozenParams } from "../../lib/bulk.js";
import { h, put, text } from "../../lib/dom.js";
import { count } from "../../lib/format.js";
import { fail, warn } from "../../lib/notice.js";
import { act } from "../../lib/role.js";
import { VERBS, verbsOf } from "../../lib/verbs.js";
import { runMatching, someJobs } from "./onebyone.js";

const NOT_ASKED = "The filter box says something that is not asked for yet: press Enter in it, or Escape";

/** @param {Selecting} how */
export function selectedBar({ info, selection, params, q, pending, more, changed, draw, refresh }) {
  const said = h("strong", { role: "status" });
  const select = () => void selectMatching().catch(fail);
  const all = h("button", { type: "button", class: "plain", onclick: select }, "Select all that match");
  const clear = h("button", { type: "button", class: "plain", onclick: done }, "Clear");
  const acts = h("span", { class: "selected-acts" });
  const node = h("div", { class: "selected", role: "group", "aria-label": "Selected jobs", hidden: true }, said, all, acts, clear);
  put(acts, verbsOf(info.state).map(button));

  /** @param {Verb} verb */
  function button(verb) {
    const [method, path] = VERBS[verb].many ?? VERBS[verb].one;
    return act(VERBS[verb].word, method, path, () => run(verb), verb === "delete" ? { class: "danger" } : {});
  }

  function update() {
    node.hidden = selection.size === 0;
    const { matching } = selection;
    text(said, matching ? `All ${count(matching.count)} matching` : `${count(selection.size)} selected`);
    all.hidden = matching !== null || !more();
  }

  async function selectMatching() {
    if (pending()) return warn(NOT_ASKED);
    const frozen = frozenParams(info.path, params());
    const verb = verbsOf(info.state).includes("retry") ? "retry" : "cancel";
    const many = await counted(verb, info.path, frozen);
    if (many !== null) selection.all({ count: many, params: frozen });
    draw();
  }

  function done() {
    selection.clear();
    draw();
  }

  /** Do a verb to what is selected. @param {Verb} verb */
  async function run(verb) {
    const { matching, uids } = selection;
    if (matching === null) {
      if (await someJobs(verb, [...uids], changed)) done();
      return;
    }
    if (pending()) return warn(NOT_ASKED);
    const detail = q === "" ? `All ${info.word.toLowerCase()} jobs, whatever they are: no filter is set.` : `Those that match ${q}`;
    const did = verb === "run" ? await runMatching(matching, detail, changed) : (await bulk({ verb, state: info.path, ...matching, detail })) > 0;
    if (!did) return;
    done();
    refresh();
  }
  return { node, update, run };
}
