/**
 * The jobs of a state, narrowed by a filter, to look at and to act on.
 *
 * @typedef {import("../lib/types.js").Address} Address
 */

import * as address from "../lib/address.js";
import { can, get, Problem } from "../lib/api.js";
import { h, put, text } from "../lib/dom.js";
import { parse, stringify } from "../lib/filter.js";
import * as keys from "../lib/keys.js";
import { fail, inWords } from "../lib/notice.js";
import { stateInfo } from "../lib/states.js";
import { makeChips } from "./jobs/chips.js";
import { filterBox } from "./jobs/filterbox.js";
import { List } from "./jobs/list.js";

const QUEUES_EVERY = 5; // polls
export const FIRST_STATE = "waiting";

/** @type {import("../lib/types.js").View} */
export const view = { title: "Jobs", show };

/** @param {HTMLElement} root @param {Address} first */
function show(root, first) {
  let now = first;
  let polls = 0;
  /** @type {import("../lib/types.js").Queue[]} */
  let queues = [];
  const heading = h("h1");
  const news = h("button", { type: "button", class: "news", title: "Show what there is now (n)", onclick: () => list?.refresh() });
  const box = filterBox(now.q ?? "", () => list?.node.focus({ preventScroll: true }));
  const chips = makeChips();
  const place = h("div");
  let list = begin();
  root.append(h("div", { class: "view-head" }, heading, h("div", { role: "status" }, news)), box.node, chips.node, place);
  const off = listen(() => list, box.focus);

  /** Begin with a state and a filter; there is no list where the filter is wrong, or looks for one job. */
  function begin() {
    const info = infoOf(now);
    text(heading, info.word);
    news.hidden = true;
    const { uid, wrong } = parse(now.q ?? "");
    const made = wrong === null && uid === null ? new List(info, now, { news, pending: box.pending }) : null;
    replace(place, made?.node, box);
    return made;
  }

  function drawChips() {
    const { queue = "", ...others } = parse(now.q ?? "").query;
    const without = (/** @type {string | null} */ name) => stringify(name === null ? others : { ...others, queue: name });
    chips.update(queues, infoOf(now).state, queue, (name) => address.href({ q: without(name), pages: null, job: null }));
  }

  /** @param {AbortSignal} signal */
  async function askQueues(signal) {
    if (polls % QUEUES_EVERY === 0 && can("GET", "/queues")) queues = (await get("queues", { signal })).queues;
    polls += 1;
    drawChips();
  }

  /** @param {AbortSignal} signal */
  async function askJobs(signal) {
    try {
      await list?.poll(signal);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 422) throw error;
      box.tell(inWords(error));
      replace(place, undefined, box);
      list = null; // until the filter is another one
    }
  }

  return {
    /** @param {Address} changed */
    update(changed) {
      const same = changed.state === now.state && changed.q === now.q;
      now = changed;
      if (same) return list?.at(now);
      box.set(now.q ?? "");
      list = begin();
      drawChips();
    },
    /** @param {AbortSignal} signal */
    async poll(signal) {
      await askQueues(signal); // first, for they stand above
      await askJobs(signal);
    },
    close() {
      for (const one of off) one();
    },
  };
}

/**
 * Put something else in a place; the focus that was there is then on it, or where there is nothing on another one.
 *
 * @param {HTMLElement} place
 * @param {HTMLElement | undefined} node
 * @param {{focus: () => void}} other
 */
function replace(place, node, other) {
  const focused = place.contains(document.activeElement);
  put(place, node);
  if (focused) (node ?? other).focus();
}

/** @param {Address} now @returns {import("../lib/states.js").StateInfo} */
function infoOf(now) {
  const info = stateInfo(now.state ?? FIRST_STATE) ?? stateInfo(FIRST_STATE);
  if (!info) throw new Error("the first state is none");
  return info;
}

/**
 * Listen to the keys of the listing.
 *
 * @param {() => List | null} list
 * @param {() => void} filter
 */
function listen(list, filter) {
  const retry = () => void list()?.actByKey("retry").catch((error) => fail(error, "Retry"));
  const cancel = () => void list()?.actByKey("cancel").catch((error) => fail(error, "Cancel"));
  return [
    keys.on("j", "Next job", () => list()?.move(1)),
    keys.on("k", "Job before", () => list()?.move(-1)),
    keys.on("Enter", "Open the job", () => list()?.open()),
    keys.on("x", "Select the job, or not", () => list()?.chooseByKey(0, false)),
    keys.on("X", "Select from the last one to this", () => list()?.chooseByKey(0, true)),
    keys.on("J", "Select on to the next job", () => list()?.chooseByKey(1, true)),
    keys.on("K", "Select on to the job before", () => list()?.chooseByKey(-1, true)),
    keys.on("r", "Retry the job, or the selected", retry),
    keys.on("c", "Cancel the job, or the selected", cancel),
    keys.on("n", "Show what is new", () => list()?.refresh()),
    keys.on("/", "Filter", filter),
  ];
}
