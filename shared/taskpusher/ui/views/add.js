/**
 * Adds a job by a form, and shows the line of curl that does the same.
 */

import { href } from "../lib/address.js";
import { post } from "../lib/api.js";
import { copyButton } from "../lib/copy.js";
import { ofAdd } from "../lib/curl.js";
import { h, text } from "../lib/dom.js";
import { say } from "../lib/notice.js";
import { jobForm } from "./form/form.js";

/** @type {import("../lib/types.js").View} */
export const view = {
  title: "Add a job",
  show(root) {
    const line = h("pre", { class: "curl-line", tabindex: 0, role: "group", "aria-label": "The same by curl" });
    const form = jobForm({
      verb: "Add the job",
      call: ["POST", "/add"],
      send: add,
      changed: (fields) => text(line, fields === null ? "What is given cannot be sent yet." : ofAdd(fields)),
    });
    form.write({});
    const head = h("div", { class: "curl-head" }, h("h2", null, "The same by curl"), copyButton("the line", () => line.textContent ?? ""));
    root.append(h("div", { class: "add" }, h("h1", null, view.title), form.node, h("section", { class: "curl-box" }, head, line)));
    return {
      update() {},
      async poll() {},
      close() {},
    };
  },
};

/** @param {Record<string, unknown>} fields */
async function add(fields) {
  const { uid, deduplicated, replaced } = await post("add", fields);
  const said = deduplicated ? "There is such a job already" : replaced ? "The job that was there has these fields now" : "Added";
  say(said, { label: "Show it", href: href({ view: "jobs", job: uid }) });
}
