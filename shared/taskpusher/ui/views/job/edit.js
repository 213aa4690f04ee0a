/**
 * Changes a job that has not begun, or adds one more like a finished one with changes: a form with the fields of the job.
 *
 * @typedef {import("../../lib/types.js").Job} Job
 */

import { go, href } from "../../lib/address.js";
import { patch, post } from "../../lib/api.js";
import { ask } from "../../lib/dialog.js";
import { h } from "../../lib/dom.js";
import { say } from "../../lib/notice.js";
import { act } from "../../lib/role.js";
import { isFinished } from "../../lib/states.js";
import { changes, fixed, ofAgain, ofJob } from "../form/fields.js";
import { jobForm } from "../form/form.js";
import { isMasked } from "./request.js";

const KEPT = "Its key, order, unique text, limit and idempotency key stay: what places a job never changes.";

/**
 * Return {node, focus()}.
 *
 * @param {Job} job
 * @param {object} panel around it
 * @param {() => Promise<Job>} panel.revealed returns the job with its secrets
 * @param {() => Promise<void>} panel.done closes the form, and asks for the job anew
 */
export function editForm(job, { revealed, done }) {
  const again = isFinished(job.state);
  const fields = again ? ofAgain : ofJob;
  const but = again ? [] : fixed(job);
  const leave = h("button", { type: "button", onclick: () => void leaving() }, "Leave it");
  const form = jobForm({
    verb: again ? "Add as a new job" : "Change it",
    call: again ? ["POST", "/add"] : ["PATCH", "/job/{uid}"],
    but,
    ways: [leave],
    send: (given) => (again ? add(given) : change(given)),
  });
  form.write(fields(job));
  let before = form.read();

  /** @param {Record<string, unknown>} given */
  async function add(given) {
    const told = await post("add", given);
    await done();
    say("Added as a new job", { label: "The one before", href: href({ job: job.uid }) });
    go({ job: told.uid });
  }

  /** @param {Record<string, unknown>} given */
  async function change(given) {
    const changed = changes(before, given);
    if (Object.keys(changed).length > 0) await patch(`job/${encodeURIComponent(job.uid)}`, changed);
    say(Object.keys(changed).length > 0 ? `Changed: ${Object.keys(changed).join(", ")}` : "Nothing was changed");
    await done();
  }

  async function leaving() {
    if (differs() && !(await ask({ verb: "Drop", what: "the changes" }))) return;
    await done();
  }

  function differs() {
    try {
      return Object.keys(changes(before, form.read())).length > 0;
    } catch {
      return true;
    }
  }

  async function reveal() {
    form.write(fields(await revealed()));
    before = form.read();
    masked.remove();
  }

  const masked = h(
    "p",
    { class: "secrets", hidden: !isMasked(job) },
    `Secrets are masked. ${again ? "Give them anew, or fill the form with them. " : "What you leave as it is keeps its secrets. "}`,
    act("Fill in secrets", "GET", "/job/{uid}", reveal),
  );
  const title = h("h3", null, again ? "Retry with changes" : "Change the job");
  const said = h("p", { class: "job-kind" }, again ? "This adds a new job; the old one stays as it is." : KEPT);
  /** @param {KeyboardEvent} event */
  const escape = (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault(); // it does not close the panel as well
    void leaving();
  };
  const node = h("section", { class: "job-edit", onkeydown: escape }, title, said, masked, form.node);
  return { node, focus: form.focus };
}
