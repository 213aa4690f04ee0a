/**
 * Starts the page: the frame, the view that the URL names, and the polling of both.
 *
 * @typedef {import("./lib/types.js").Address} Address
 * @typedef {import("./lib/types.js").View} View
 * @typedef {import("./lib/types.js").Shown} Shown
 * @typedef {import("./lib/types.js").Ready} Ready
 * @typedef {import("./lib/types.js").Stats} Stats
 */

import * as address from "./lib/address.js";
import { get, learn, learned, Problem } from "./lib/api.js";
import { h, icon, put, text } from "./lib/dom.js";
import { setNow } from "./lib/format.js";
import * as keys from "./lib/keys.js";
import * as notice from "./lib/notice.js";
import { Poll } from "./lib/poll.js";
import { getRole, setRole } from "./lib/role.js";
import { STATES } from "./lib/states.js";
import { health } from "./parts/health.js";
import { nav } from "./parts/nav.js";
import { numbers } from "./parts/numbers.js";
import { themeButton } from "./parts/theme.js";
import * as all from "./views/all.js";
import { FIRST_STATE } from "./views/jobs.js";

/** @type {Record<string, View>} */
const VIEWS = { ...all };
// The order of the ways to them, and the letter after g; those that are not there are left out.
const ORDER = Object.entries({ errors: "e", targets: "t", queues: "q", limits: "l", nodes: "n", add: "a" });
const STATE_KEYS = ["w", "s", "r", "c", "f", "x"]; // of STATES
const SERIES_EVERY_MS = 10_000; // how long a bucket of the series is

const PAUSE = "M5.5 3v10M10.5 3v10";
const PLAY = "M5 3l7.5 5L5 13z";

const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const others = ORDER.filter(([name]) => name in VIEWS);
const parts = {
  health: health(),
  numbers: numbers(),
  nav: nav(others.map(([name]) => ({ name, title: VIEWS[name]?.title ?? name }))),
  node: h("span", { class: "node-name" }),
};

/** What is shown: in the view the one that the URL names, in the panel a job. */
const slots = { view: slot(place("view")), panel: slot(place("panel")) };

/** @type {{ready: Ready | null, problem: Problem | null, running: number, missing: string[]}} */
const known = { ready: null, problem: null, running: 0, missing: [] };
let series_at = -Infinity;

/**
 * A place on the page that shows a view.
 *
 * @param {HTMLElement} root
 */
function slot(root) {
  /** @type {Shown | null} */
  let shown = null;
  let name = "";
  return {
    /** Show a view, or bring the one that is there to another address. @param {string} wanted @param {Address} now */
    at(wanted, now) {
      if (shown && wanted === name) return shown.update(now);
      this.close();
      const view = VIEWS[wanted];
      if (!view) return;
      name = wanted;
      root.hidden = false;
      shown = view.show(root, now);
    },
    close() {
      shown?.close();
      shown = null;
      name = "";
      root.textContent = "";
      root.hidden = root.id === "panel";
    },
    /** @param {AbortSignal} signal */
    async poll(signal) {
      await shown?.poll(signal);
    },
  };
}

/** @param {Address} now */
function show(now) {
  const name = now.view !== "job" && now.view && now.view in VIEWS ? now.view : "jobs";
  slots.view.at(name, now);
  if (now.job && "job" in VIEWS) slots.panel.at("job", now);
  else slots.panel.close();
  parts.nav.at({ ...now, view: name }, now.state ?? FIRST_STATE);
  document.title = `${VIEWS[name]?.title} · ${known.ready?.name ?? "TaskPusher"}`;
}

/** Show all anew: what buttons there are has changed. */
function showAnew() {
  slots.view.close();
  slots.panel.close();
  show(address.read());
}

/** @param {AbortSignal} signal */
async function poll(signal) {
  const asked = await Promise.allSettled([askReady(signal), askStats(signal)]);
  signal.throwIfAborted();
  const wrong = asked.find((result) => result.status === "rejected")?.reason ?? null;
  if (wrong !== null && !(wrong instanceof Problem)) throw wrong;
  known.problem = wrong;
  if (wrong?.type === "forbidden") takeRole("push"); // every other one may ask for numbers
  parts.health.update(known);
  const shown = await Promise.allSettled([slots.view.poll(signal), slots.panel.poll(signal)]);
  signal.throwIfAborted();
  for (const result of shown) tell(result);
  if (known.problem) throw known.problem;
  if (!learned() && (await learn())) showAnew();
}

/** Tell the failure of a view, but not what the health line says already. @param {PromiseSettledResult<void>} result */
function tell(result) {
  if (result.status === "fulfilled") return;
  const quiet = result.reason instanceof Problem && known.problem !== null;
  if (!quiet) notice.fail(result.reason);
}

/** @param {AbortSignal} signal */
async function askReady(signal) {
  try {
    known.ready = await get("ready", { signal });
  } catch (error) {
    if (!signal.aborted) known.ready = null; // what it said before is not so any more
    throw error;
  }
  text(parts.node, known.ready?.name ?? "");
}

/** @param {AbortSignal} signal */
async function askStats(signal) {
  const with_series = performance.now() - series_at > SERIES_EVERY_MS;
  /** @type {Stats} */
  const stats = await get(with_series ? "stats?range=1h" : "stats", { signal });
  setNow(stats.now);
  known.running = stats.slots.busy;
  known.missing = stats.missing ?? [];
  parts.numbers.update(stats);
  parts.nav.update(stats.states);
  if (with_series) {
    parts.numbers.series(stats);
    series_at = performance.now();
  }
  takeRole(stats.role ?? null);
}

/** @param {import("./lib/types.js").Role | null} role */
function takeRole(role) {
  const before = getRole();
  setRole(role);
  if (role !== before && (before !== null || role !== "admin")) showAnew();
}


const polling = new Poll(poll);

function pauseButton() {
  const button = h("button", { type: "button", class: "plain", onclick: toggle });
  function draw() {
    put(button, icon(polling.paused ? PLAY : PAUSE), polling.paused ? " Paused" : null);
    button.setAttribute("aria-label", polling.paused ? "Paused: go on" : "Pause");
    button.title = polling.paused ? "Go on (p)" : "Pause: what is shown stays as it is (p)";
  }
  function toggle() {
    polling.pause(!polling.paused);
    draw();
  }
  keys.on("p", "Pause, and go on", toggle);
  draw();
  return button;
}

/** Go to another view by keyboard, and take the focus along. @param {address.Changes} changes */
function goTo(changes) {
  address.go({ ...changes, job: null });
  place("view").focus({ preventScroll: true });
}

function frame() {
  const brand = h("a", { class: "brand", href: location.pathname }, "TaskPusher");
  const help = h("button", { type: "button", class: "plain", title: "Keys (?)", "aria-label": "?: show the keys", onclick: keys.help }, "?");
  const tools = h("div", { class: "tools" }, pauseButton(), themeButton(), help);
  const bar = h("div", { class: "bar" }, brand, parts.node, parts.health.node, tools);
  place("top").append(bar, parts.numbers.node);
  place("nav").append(parts.nav.node);
  STATES.forEach(({ path, word }, index) => {
    keys.on(`g ${STATE_KEYS[index]}`, `Go to ${word.toLowerCase()}`, () => goTo({ view: "jobs", state: path }));
  });
  for (const [name, letter] of others) {
    keys.on(`g ${letter}`, `Go to ${VIEWS[name]?.title.toLowerCase()}`, () => goTo({ view: name }));
  }
  if ("job" in VIEWS) keys.on("Escape", "Close the job", () => address.go({ job: null }));
}

notice.start(place("notices"));
keys.start();
address.start();
frame();
parts.health.update(known);
place("view").textContent = ""; // what it says without JavaScript
show(address.read());
address.onChange((now) => {
  show(now);
  polling.now();
});
polling.start();
