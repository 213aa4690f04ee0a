/**
 * What can be done to a job in its state: buttons that a role or a node may lack.
 *
 * @typedef {import("../../lib/types.js").Job} Job
 * @typedef {{changed: () => Promise<void>, edit: () => Promise<void>, gone: () => void}} Panel
 *   the panel around them: asks anew, opens the form, is told that the job is gone
 */

import { ask } from "../../lib/dialog.js";
import { h, put } from "../../lib/dom.js";
import { say } from "../../lib/notice.js";
import { act } from "../../lib/role.js";
import { isFinished } from "../../lib/states.js";
import { VERBS, act as doVerb } from "../../lib/verbs.js";
import { copyAdd, copyCall } from "./curl.js";

/**
 * Return {node, update(job)}.
 *
 * @param {Panel} panel
 */
export function actions(panel) {
  const node = h("div", { class: "job-acts", role: "group", "aria-label": "What can be done" });
  let shown = "";
  /** @type {Job | null} */
  let job = null;
  const present = () => /** @type {Job} */ (job);
  return {
    node,
    /** @param {Job} told */
    update(told) {
      job = told;
      if (told.state === shown) return;
      shown = told.state;
      const had_focus = node.contains(document.activeElement);
      put(node, [...ofState(told.state, present, panel), ...copies(present)]);
      if (had_focus) node.querySelector("button")?.focus();
    },
  };
}

/**
 * @param {string} state
 * @param {() => Job} job
 * @param {Panel} panel
 */
function ofState(state, job, panel) {
  const changing = state === "waiting" || state === "scheduled";
  const buttons = [];
  if (isFinished(state)) {
    buttons.push(verb("retry", "It is called again, from the start", job, panel));
    buttons.push(act("Retry with changes", "POST", "/add", panel.edit));
  }
  if (state === "scheduled") buttons.push(verb("run", "It is called as soon as its turn comes", job, panel));
  if (changing) buttons.push(act("Change", "PATCH", "/job/{uid}", panel.edit));
  if (!isFinished(state)) buttons.push(verb("cancel", VERBS.cancel.done, job, panel));
  else buttons.push(act(VERBS.delete.word, ...VERBS.delete.one, () => remove(job(), panel), { class: "danger" }));
  return buttons;
}

/**
 * @param {"retry" | "run" | "cancel"} name
 * @param {string} done
 * @param {() => Job} job
 * @param {Panel} panel
 */
function verb(name, done, job, panel) {
  const run = async () => {
    await doVerb(name, job().uid);
    say(done);
    await panel.changed();
  };
  return act(VERBS[name].word, ...VERBS[name].one, run);
}

/** @param {Job} job @param {Panel} panel */
async function remove(job, panel) {
  const detail = "It is gone for good, with its request, its answers and its attempts.";
  if (!(await ask({ verb: VERBS.delete.word, what: "this job", detail }))) return;
  await doVerb("delete", job.uid);
  say(VERBS.delete.done);
  panel.gone();
}

/** @param {() => Job} job */
function copies(job) {
  return [
    h("button", { type: "button", title: "The call of its target", onclick: () => void copyCall(job()) }, "Copy as curl"),
    h("button", { type: "button", title: "The add of one more such job", onclick: () => void copyAdd(job()) }, "Copy the add"),
  ];
}
