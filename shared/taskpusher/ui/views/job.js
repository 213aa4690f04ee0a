/**
 * The panel of one job: where it is, why, what it was given, what came back, and what can be done; live until it has ended.
 *
 * @typedef {import("../lib/types.js").Address} Address
 * @typedef {import("../lib/types.js").Job} Job
 * @typedef {import("../lib/types.js").Why} Why
 */

import * as address from "../lib/address.js";
import { can, get, Problem } from "../lib/api.js";
import { copyButton } from "../lib/copy.js";
import { attr, h, icon, put, text } from "../lib/dom.js";
import { setTime } from "../lib/format.js";
import { isFinished, stateMark } from "../lib/states.js";
import { actions } from "./job/actions.js";
import { attempts } from "./job/attempts.js";
import { diagram } from "./job/diagram.js";
import { editForm } from "./job/edit.js";
import { facts } from "./job/facts.js";
import { requestSection } from "./job/request.js";
import { responseSection } from "./job/response.js";
import { section } from "./job/section.js";
import { whySection } from "./job/why.js";

const FINISHED_EVERY_MS = 30_000; // somebody else may retry or delete it
const CROSS = "M4 4l8 8M12 4l-8 8";

/** @type {import("../lib/types.js").View} */
export const view = { title: "Job", show: (root, first) => new Panel(root, first) };

class Panel {
  /** @param {HTMLElement} root @param {Address} first */
  constructor(root, first) {
    this._uid = first.job ?? "";
    /** @type {Job | null} */
    this._job = null;
    /** @type {Job | null} with its secrets, once they were asked for */
    this._revealed = null;
    this._asked = 0; // so that a late answer is not taken for the newest
    this._asked_at = -Infinity;
    this._back = document.activeElement;
    this._editing = false;
    this._at = shape(() => this._uid, {
      changed: () => this._changed(),
      edit: () => this._edit(),
      gone: () => address.go({ job: null }),
      reveal: () => this._reveal(),
    });
    root.append(this._at.node);
    this._begin();
  }

  /** Show another job, or the first. */
  _begin() {
    this._job = null;
    this._revealed = null;
    this._asked_at = -Infinity;
    this._close_form();
    text(this._at.state, "");
    text(this._at.title, "Job");
    text(this._at.uid, this._uid);
    this._say("Asking for the job");
    this._at.title.focus({ preventScroll: true });
  }

  /** Say something in place of a job, or nothing beside one. @param {string} said */
  _say(said) {
    text(this._at.told, said);
    this._at.told.hidden = said === "";
    this._at.body.hidden = said !== "";
  }

  /** @param {Address} now */
  update(now) {
    attr(this._at.close, "href", address.href({ job: null })); // what is beside the panel may have changed
    if ((now.job ?? "") === this._uid) return;
    const focused = document.activeElement;
    if (focused && !this._contains(focused)) this._back = focused;
    this._uid = now.job ?? "";
    this._begin();
  }

  /** @param {AbortSignal} signal */
  async poll(signal) {
    for (const time of this._at.body.querySelectorAll("time")) setTime(time, time.dateTime || null);
    const rests = this._job !== null && isFinished(this._job.state);
    if (rests && performance.now() - this._asked_at < FINISHED_EVERY_MS) return;
    await this._load(signal);
  }

  /** Ask for the job and show it. @param {AbortSignal} [signal] */
  async _load(signal) {
    const [mine, uid] = [(this._asked += 1), this._uid];
    const path = `job/${encodeURIComponent(uid)}`;
    const newest = () => mine === this._asked && uid === this._uid;
    try {
      /** @type {Job} */
      const job = await get(path, { signal, exact: true });
      const asks = ["waiting", "scheduled"].includes(job.state) && can("GET", "/job/{uid}/why");
      /** @type {Why | null} */
      const why = asks ? await get(`${path}/why`, { signal }) : null;
      if (newest()) this._draw(job, why);
    } catch (error) {
      if (!(error instanceof Problem) || error.type !== "not-found") throw error;
      if (newest()) this._missing();
    }
  }

  _missing() {
    this._job = null;
    text(this._at.state, "");
    text(this._at.title, "There is no such job");
    this._close_form();
    this._say("It was deleted, by somebody or when its time was over, or the uid is of another store.");
  }

  /** @param {Job} job @param {Why | null} why */
  _draw(job, why) {
    if (this._job?.state !== job.state) put(this._at.state, stateMark(job.state));
    if (this._job?.state !== job.state || this._job.attempt !== job.attempt) this._revealed = null; // it told of then
    this._job = job;
    this._asked_at = performance.now();
    text(this._at.title, `${job.method} ${job.url}`);
    this._say("");
    this._at.body.hidden = this._editing;
    for (const part of this._at.parts) part.update(job);
    for (const part of this._at.answers) part.update(this._revealed ?? job);
    this._at.why.update(why);
    this._at.request.update(job, this._revealed);
  }

  async _changed() {
    this._revealed = null;
    await this._load();
  }

  async _reveal() {
    const uid = this._uid;
    const secret = this._revealed ? null : await this._secret();
    if (uid !== this._uid) return;
    this._revealed = secret;
    await this._load();
  }

  /** @returns {Promise<Job>} */
  _secret() {
    return get(`job/${encodeURIComponent(this._uid)}?reveal=1`, { exact: true });
  }

  async _edit() {
    if (!this._job) return;
    this._editing = true;
    const form = editForm(this._job, {
      revealed: () => this._secret(),
      done: async () => {
        this._close_form();
        this._at.body.hidden = false;
        this._at.title.focus();
        await this._load();
      },
    });
    put(this._at.form, form.node);
    this._at.body.hidden = true;
    form.focus();
  }

  _close_form() {
    this._editing = false;
    put(this._at.form);
  }

  close() {
    const focused = document.activeElement;
    const lost = focused === null || focused === document.body || this._contains(focused);
    this._asked += 1;
    if (!lost) return;
    const back = this._back instanceof HTMLElement && this._back.isConnected && this._back !== document.body ? this._back : null;
    (back ?? document.getElementById("view"))?.focus({ preventScroll: true });
  }

  /** @param {Node} node */
  _contains(node) {
    return this._at.node.contains(node);
  }
}

/**
 * Return the elements and the parts of a panel.
 *
 * @param {() => string} present the uid of the job that is shown
 * @param {import("./job/actions.js").Panel & {reveal: () => Promise<void>}} panel
 */
function shape(present, panel) {
  const close = h("a", { class: "job-close", href: address.href({ job: null }), "aria-label": "Close", title: "Close (Esc)" }, icon(CROSS));
  const state = h("div", { class: "job-state", role: "status" });
  const title = h("h2", { tabindex: -1, class: "job-title" });
  const uid = h("code", { class: "uid" });
  const uid_line = h("p", { class: "job-uid" }, uid, copyButton("the uid", present));
  const [told, form, why] = [h("p", { class: "empty" }), h("div"), whySection()];
  const request = requestSection(panel.reveal);
  const acts = actions(panel);
  const error = section("Error", drawError);
  const wrong = { node: error.node, update: (/** @type {Job} */ job) => error.update(job.error) };
  const [picture, list, answer, calls] = [diagram(), facts(), responseSection(), attempts()];
  const shown = [acts, picture, wrong, why, list, answer, calls, request].map(({ node }) => node);
  const body = h("div", { class: "job-parts" }, shown);
  const head = h("header", { class: "job-head" }, state, close, title, uid_line);
  const [parts, answers] = [[acts, picture, wrong, list], [answer, calls]];
  return { node: h("div", { class: "job" }, head, told, form, body), state, title, close, uid, told, form, body, why, request, parts, answers };
}

/** @param {Job["error"]} error */
function drawError(error) {
  if (error === null) return [];
  return [h("p", { class: "job-error" }, h("strong", null, error.kind), ": ", error.message)];
}
