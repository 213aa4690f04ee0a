/**
 * The queues: what stands in them, for how long; pause, resume, change, declare and delete them.
 *
 * @typedef {import("../lib/types.js").Queue} Queue
 * @typedef {import("../lib/types.js").State} State
 */

import * as address from "../lib/address.js";
import { del, get, post, put as putJson, withQuery } from "../lib/api.js";
import { ask } from "../lib/dialog.js";
import { attr, h, put, text } from "../lib/dom.js";
import { stringify } from "../lib/filter.js";
import { formDialog } from "../lib/form.js";
import { count } from "../lib/format.js";
import { rateInWords } from "../lib/limit.js";
import { say } from "../lib/notice.js";
import { askHowLong, pauseNode } from "../lib/pause.js";
import { act } from "../lib/role.js";
import { STATES } from "../lib/states.js";
import { table, timeCell } from "../lib/table.js";
import { queueBody, queueFields } from "./queueform.js";

const NAME = { name: "name", label: "Name", hint: "letters, digits, _ . -", required: true };
const STAY = ["default", "callbacks"]; // these are never deleted

/** @type {import("../lib/types.js").View} */
export const view = {
  title: "Queues",
  show(root, first) {
    const list = table(
      {
        label: "queues",
        key: (queue) => queue.name,
        text: (queue) => queue.name,
        sort: "name",
        empty: "There is no queue yet: the first job makes one.",
        columns: columns(load),
      },
      first,
    );
    const declare = act("Declare a queue …", "PUT", "/queues/{name}", async () => change(null, load));
    root.append(h("div", { class: "view-head" }, h("h1", null, view.title), declare ?? ""), list.node);

    /** @param {AbortSignal} [signal] */
    async function load(signal) {
      /** @type {{queues: Queue[]}} */
      const { queues } = await get("queues", { signal });
      list.draw(queues);
    }

    return { update: list.update, poll: load, close: () => root.replaceChildren() };
  },
};

/**
 * @param {() => Promise<void>} load
 * @returns {import("../lib/table.js").Column<Queue>[]}
 */
function columns(load) {
  return [
    { name: "name", label: "Queue", kind: "main", by: (queue) => queue.name, cell: nameCell },
    ...STATES.map(({ state, word, path }) => ({
      name: path,
      label: word,
      kind: /** @type {const} */ ("figure"),
      by: (/** @type {Queue} */ queue) => queue.counts[state],
      cell: () => countCell(state, path),
    })),
    { name: "oldest", label: "Oldest waiting", by: (queue) => queue.oldest_waiting, cell: timeCell((queue) => queue.oldest_waiting) },
    { name: "acts", label: "What to do", kind: "acts", cell: (queue) => actsCell(queue, load) },
  ];
}

/** The name of a queue, whether it is paused, and its limits. */
function nameCell() {
  const name = h("a");
  const pause = pauseNode("Paused", "it is resumed");
  const stand = h("span", { class: "list-detail" });
  const limits = h("span", { class: "list-detail" });
  let paused = false;
  /** @param {Queue} queue */
  function update(queue) {
    text(name, queue.name);
    attr(name, "href", address.href({ view: "jobs", q: stringify({ queue: queue.name }), job: null }));
    text(limits, inWords(queue));
    if (queue.paused) pause.update(queue.paused);
    if (paused !== (queue.paused !== null)) put(stand, queue.paused && pause.node);
    paused = queue.paused !== null;
  }
  return { node: h("div", null, name, stand, limits), update };
}

/** @param {Queue} queue */
function inWords({ concurrency, rate, per, defaults }) {
  const said = [];
  if (concurrency !== null) said.push(`${count(concurrency)} at once`);
  if (rate !== null) said.push(rateInWords(rate, per));
  const given = Object.keys(defaults);
  if (given.length > 0) said.push(`defaults: ${given.join(", ")}`);
  return said.join(" · ");
}

/** @param {State} state @param {string} path */
function countCell(state, path) {
  const node = h("a", { class: "count" });
  /** @param {Queue} queue */
  function update({ name, counts }) {
    const some = counts[state];
    text(node, count(some));
    node.classList.toggle("none", some === 0);
    node.classList.toggle("bad", state === "error" && some > 0);
    attr(node, "href", address.href({ view: "jobs", state: path, q: stringify({ queue: name }), job: null }));
  }
  return { node, update };
}

/**
 * @param {Queue} first
 * @param {() => Promise<void>} load
 */
function actsCell(first, load) {
  let now = first;
  const path = `queues/${encodeURIComponent(first.name)}`;
  const pause = act("Pause …", "POST", "/queues/{name}/pause", async () => {
    askHowLong({
      title: `Pause ${first.name}`,
      detail: "No more calls of this queue begin. What runs goes on, and adds are taken.",
      verb: "Pause",
      submit: async (query) => {
        await post(withQuery(`${path}/pause`, query));
        say(`${first.name} is paused`);
        await load();
      },
    });
  });
  const resume = act("Resume", "POST", "/queues/{name}/resume", async () => {
    await post(`${path}/resume`);
    say(`${first.name} goes on`);
    await load();
  });
  const edit = act("Settings …", "PUT", "/queues/{name}", async () => change(now, load));
  const remove = act("Delete", "DELETE", "/queues/{name}", async () => {
    if (!(await ask({ verb: "Delete", what: `queue ${first.name}`, detail: "It is empty. Its settings go with it; a later add makes it anew." }))) return;
    await del(path);
    say(`${first.name} is deleted`);
    await load();
  }, { class: "danger" });
  /** @param {Queue} queue */
  function update(queue) {
    now = queue;
    if (pause) pause.hidden = queue.paused !== null;
    if (resume) resume.hidden = queue.paused === null;
    if (remove) remove.hidden = STAY.includes(queue.name) || Object.values(queue.counts).some((some) => some > 0);
  }
  return { node: h("div", { class: "acts-box" }, pause, resume, edit, remove), update };
}

/**
 * Ask for all settings of a queue, or of one that is declared, and set them.
 *
 * @param {Queue | null} queue
 * @param {() => Promise<void>} load
 */
function change(queue, load) {
  formDialog({
    title: queue ? `Settings of ${queue.name}` : "Declare a queue",
    detail: "A lower limit breaks nothing off. A queue that is declared is told apart in the metrics.",
    fields: [...(queue ? [] : [NAME]), ...queueFields(queue)],
    verb: queue ? "Save" : "Declare",
    submit: async (values) => {
      const called = queue?.name ?? values.name ?? "";
      await putJson(`queues/${encodeURIComponent(called)}`, queueBody(values, queue));
      say(queue ? `Settings of ${called} are saved` : `${called} is declared`);
      await load();
    },
  });
}
