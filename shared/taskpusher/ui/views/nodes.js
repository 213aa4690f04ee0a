/**
 * The node: how it is, its disk, drain, resume and backup, the jobs that applications work on; a router's nodes beside each other.
 *
 * @typedef {import("../lib/types.js").Ready} Ready
 * @typedef {import("../lib/types.js").Stats} Stats
 * @typedef {import("../lib/types.js").NodeTold} NodeTold
 * @typedef {import("../lib/types.js").JobListed} JobListed
 * @typedef {import("../lib/types.js").Address} Address
 */

import { can, get, learned, post, withQuery } from "../lib/api.js";
import { ask, show as showDialog } from "../lib/dialog.js";
import { h, text } from "../lib/dom.js";
import { formDialog } from "../lib/form.js";
import { bytes, count, percent, plural } from "../lib/format.js";
import { say } from "../lib/notice.js";
import { act } from "../lib/role.js";
import { table, textCell } from "../lib/table.js";
import { longJobs } from "./longjobs.js";

const DISK_EVERY_MS = 30_000; // how often the metrics are asked for, which are long
const BACKUP_WITHIN_MS = 3_600_000;
const DRAINED = "It takes no new jobs, over restarts too, until it is resumed; those that it has go on.";

/** @type {import("../lib/types.js").View} */
export const view = {
  title: "Node",
  show(root, first) {
    const facts = factList();
    const acts = nodeActs(load);
    const heading = h("h1", null, view.title);
    const many = nodeList(first, load, () => text(heading, "Nodes"));
    const long = longJobs(first);
    let disk_at = -Infinity;
    root.append(
      h("div", { class: "view-head" }, heading, acts.node),
      facts.node,
      many.node,
      h("h2", null, "Long jobs that tell how far they are"),
      long.node,
    );

    /** @param {AbortSignal} [signal] */
    async function load(signal) {
      /** @type {[Ready, Stats, {jobs: JobListed[]}]} */
      const [ready, stats, { jobs }] = await Promise.all([
        get("ready", { signal }),
        get("stats", { signal }),
        get(withQuery("jobs/running", { limit: 100 }), { signal }),
      ]);
      facts.update(ready, stats);
      acts.update(ready);
      long.draw(jobs.filter(({ progress }) => progress !== null));
      await many.load(signal);
      if (performance.now() - disk_at < DISK_EVERY_MS) return;
      facts.disk(await get("metrics", { signal, plain: true }));
      disk_at = performance.now();
    }

    return {
      update(now) {
        many.update(now);
        long.update(now);
      },
      poll: load,
      close: () => root.replaceChildren(),
    };
  },
};

/** What the node says of itself. */
function factList() {
  const names = ["Name", "State", "Version", "Calls", "Running elsewhere", "Disk free", "Store", "Store id"];
  const values = names.map(() => h("dd", null, "–"));
  const node = h("dl", { class: "node-facts" }, names.map((name, index) => h("div", null, h("dt", null, name), values[index])));
  /** @param {string} name @param {string | null} said null: it has none, as a router has no store */
  function tell(name, said) {
    const value = values[names.indexOf(name)];
    if (value?.parentElement) value.parentElement.hidden = said === null;
    if (value && said !== null) text(value, said);
  }
  /** @param {Ready} ready @param {Stats} stats */
  function update(ready, { slots, states }) {
    tell("Name", ready.name);
    tell("State", ready.reason ? `${ready.state}: ${ready.reason}` : ready.state);
    tell("Version", ready.version);
    tell("Store id", ready.store_id ?? null);
    tell("Calls", `${count(slots.busy)} of ${count(slots.limit)} at once`);
    tell("Running elsewhere", plural(Math.max(0, states.running - slots.busy), "job"));
  }
  /** @param {string} metrics */
  function disk(metrics) {
    tell("Disk free", size(metric(metrics, "store_disk_free_bytes")));
    tell("Store", size(metric(metrics, "store_size_bytes")));
  }
  return { node, update, disk };
}

/** @param {number | null} n */
const size = (n) => (n === null ? null : bytes(n));

/** Return a number of the metrics, of which one with labels is added up. @param {string} metrics @param {string} name */
function metric(metrics, name) {
  const lines = [...metrics.matchAll(new RegExp(`^taskpusher_${name}(?:\\{.*\\})? (\\S+)$`, "gm"))];
  return lines.length === 0 ? null : lines.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** @param {() => Promise<void>} load */
function nodeActs(load) {
  let of_router = false;
  const drain = act("Drain …", "POST", "/drain", async () => {
    const detail = of_router ? "It takes no new jobs until it is resumed or ends; other routers, and all nodes, go on." : DRAINED;
    if (!(await ask({ verb: "Drain", what: of_router ? "this router" : "this node", detail }))) return;
    await post("drain");
    say("No new jobs are taken");
    await load();
  });
  const resume = act("Resume", "POST", "/resume", async () => {
    await post("resume");
    say("New jobs are taken again");
    await load();
  });
  const backup = act("Back up …", "POST", "/backup", async () => backUp());
  if (resume) resume.hidden = true;
  /** @param {Ready} ready */
  function update({ state, name }) {
    of_router = name === null && state !== "starting";
    if (drain) drain.hidden = state === "draining";
    if (resume) resume.hidden = state !== "draining";
  }
  return { node: h("div", { class: "acts-box" }, backup, drain, resume), update };
}

function backUp() {
  formDialog({
    title: "Back up the store",
    detail: "A copy of this moment, in the backup folder of the node; meanwhile it goes on.",
    fields: [{ name: "name", label: "Name", hint: "empty: the node's, and the time" }],
    verb: "Back up",
    submit: async ({ name }) => {
      /** @type {{path: string, bytes: number, jobs: number}} */
      const made = await post(withQuery("backup", { name }), undefined, { within_ms: BACKUP_WITHIN_MS });
      showDialog("The backup is made", h("p", null, `${plural(made.jobs, "job")}, ${bytes(made.bytes)}, in`), h("pre", null, made.path));
    },
  });
}

/** How a node is, and what to do about it. @param {NodeTold} node */
function stateInWords({ state, reason }) {
  if (state === "down") return "Down, and its jobs wait: look whether it runs and can be reached";
  if (state === "kept-out") return `Kept out: ${reason}`;
  return reason ? `${state}: ${reason}` : state;
}

/** @param {NodeTold} node */
const shareInWords = ({ share, weight }) => (weight === 1 ? percent(share) : `${percent(share)}, weight ${weight}`);

/**
 * The nodes that a router knows; of a lone node nothing.
 *
 * @param {Address} first
 * @param {() => Promise<void>} changed
 * @param {() => void} found there are any
 */
function nodeList(first, changed, found) {
  /** @param {(counts: import("../lib/types.js").Counts) => number} of */
  const counted = (of) => textCell((/** @type {NodeTold} */ { counts }) => (counts ? count(of(counts)) : "–"));
  const list = table(
    {
      label: "nodes",
      key: (/** @type {NodeTold} */ node) => node.name,
      text: ({ name, address: at }) => `${name} ${at}`,
      sort: "name",
      empty: "No node is known.",
      columns: [
        { name: "name", label: "Node", kind: "main", by: ({ name }) => name, cell: textCell(({ name, address: at }) => `${name} · ${at}`) },
        { name: "state", label: "State", kind: "main", by: ({ state }) => state, cell: textCell(stateInWords) },
        { name: "version", label: "Version", cell: textCell(({ version }) => version ?? "–") },
        { name: "share", label: "Of all keys", kind: "figure", by: ({ share }) => share, cell: textCell(shareInWords) },
        { name: "waiting", label: "Waiting", kind: "figure", cell: counted((counts) => counts.waiting) },
        { name: "scheduled", label: "Scheduled", kind: "figure", cell: counted((counts) => counts.scheduled) },
        { name: "running", label: "Running", kind: "figure", cell: counted((counts) => counts.running) },
        { name: "errors", label: "Errors", kind: "figure", cell: counted((counts) => counts.error) },
        { name: "acts", label: "What to do", kind: "acts", cell: (node) => actsCell(node, changed) },
      ],
    },
    first,
  );
  /** @param {AbortSignal} [signal] */
  async function load(signal) {
    if (!learned() || !can("GET", "/nodes")) return;
    /** @type {{nodes: NodeTold[]}} */
    const { nodes } = await get("nodes", { signal });
    if (nodes.some(({ address: at }) => at === null)) return; // it is alone, and all is told of it above
    found();
    list.draw(nodes);
  }
  return { node: list.node, update: list.update, load };
}

/**
 * @param {NodeTold} first
 * @param {() => Promise<void>} load
 */
function actsCell({ name }, load) {
  const path = `nodes/${encodeURIComponent(name)}`;
  const drain = act("Drain …", "POST", "/nodes/{node}/drain", async () => {
    if (!(await ask({ verb: "Drain", what: name, detail: `${DRAINED} Jobs of its keys are refused meanwhile.` }))) return;
    await post(`${path}/drain`);
    say(`${name} takes no new jobs`);
    await load();
  });
  const resume = act("Resume", "POST", "/nodes/{node}/resume", async () => {
    await post(`${path}/resume`);
    say(`${name} takes new jobs again`);
    await load();
  });
  /** @param {NodeTold} node */
  function update({ state }) {
    if (drain) drain.hidden = state === "draining" || state === "down" || state === "kept-out";
    if (resume) resume.hidden = state !== "draining";
  }
  return { node: h("div", { class: "acts-box" }, drain, resume), update };
}
