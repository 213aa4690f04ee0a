/**
 * The jobs of one state that match one filter: asked for, shown, and acted on.
 *
 * @typedef {import("../../lib/types.js").Address} Address
 * @typedef {import("../../lib/types.js").JobListed} JobListed
 * @typedef {import("../../lib/types.js").Listing} Listing
 * @typedef {import("../../lib/states.js").StateInfo} StateInfo
 * @typedef {import("../../lib/verbs.js").Verb} Verb
 */

import * as address from "../../lib/address.js";
import { can, get, Problem, withQuery } from "../../lib/api.js";
import { ask } from "../../lib/dialog.js";
import { h, put, text } from "../../lib/dom.js";
import { absolute, parse, stringify } from "../../lib/filter.js";
import { plural } from "../../lib/format.js";
import { fail, say } from "../../lib/notice.js";
import { refusal } from "../../lib/role.js";
import { act, VERBS, verbsOf } from "../../lib/verbs.js";
import { firstJob, noneHere, noneMatches, notYet } from "./empty.js";
import { Rows } from "./rows.js";
import { selectedBar } from "./selected.js";
import { Selection } from "./selection.js";
import { makeTable } from "./table.js";

const A_PAGE = 50;
const PAGES_MAX = 20; // that an address loads at once
const GONE_A_POLL = 4; // jobs that left, of which is asked what became of them

export class List {
  /**
   * @param {StateInfo} info
   * @param {Address} now
   * @param {{news: HTMLButtonElement, pending: () => boolean}} around the button that tells what is new; whether the
   *   filter box says something else than what is shown
   */
  constructor(info, now, { news, pending }) {
    this._info = info;
    this._q = now.q ?? "";
    this._query = parse(this._q).query;
    this._wanted = Math.min(Number(now.pages) || 1, PAGES_MAX);
    this._news = news;
    this._rows = new Rows(info);
    this._selection = new Selection();
    this._open = "";
    this._empty = h("div");
    this._what_empty = "";
    this._more = h("button", { type: "button", onclick: () => void this._loadMore().catch(fail) });
    this._how = {
      info,
      choosing: verbsOf(info.state).some((verb) => can(...VERBS[verb].one)),
      links: this._links(),
      act: this._act.bind(this),
      choose: this._choose.bind(this),
    };
    this._table = makeTable(this._how, (on) => this._chooseAll(on));
    this._bar = selectedBar({
      info,
      selection: this._selection,
      params: () => absolute(this._query),
      pending,
      q: this._q,
      more: () => this._rows.next !== null || this._rows.news > 0,
      changed: (uid, job) => this._changed(uid, job),
      draw: () => this.draw(),
      refresh: () => this.refresh(),
    });
    this._after = h("p", { class: "more" }, this._more);
    this.node = h("div", { class: "listing", tabindex: -1 }, this._table.node, this._empty, this._after, this._bar.node);
    this.at(now);
  }

  /** Let links lead on from another address, and mark the job that is open. @param {Address} now */
  at(now) {
    this._how.links = this._links();
    this._open = now.job ?? "";
    this.draw();
  }

  /** @returns {import("./row.js").Links} */
  _links() {
    const version = address.href({ job: null });
    const filter = (/** @type {string} */ name, /** @type {string} */ value) =>
      address.href({ q: stringify({ ...this._query, [name]: value }), pages: null, job: null });
    return { job: `${version}&job=`, filter, version };
  }

  /** @param {AbortSignal} [signal] */
  async poll(signal) {
    if (this._rows.pages.length === 0) {
      this._rows = await this._first(signal);
      this._selection.drop([...this._selection.uids].filter((uid) => !this._rows.jobs.has(uid))); // nobody sees these
    } else await this._again(this._rows, signal);
    if (this._rows.jobs.size === 0) await this._drawEmpty(signal);
    this.draw();
  }

  /** Return what the address shows. @param {AbortSignal} [signal] */
  async _first(signal) {
    const rows = new Rows(this._info);
    do rows.append(await this._page(rows.next, signal));
    while (rows.next !== null && rows.pages.length < this._wanted);
    return rows;
  }

  /** Ask what became of what is shown: of the first page, and of the one in view. @param {Rows} rows @param {AbortSignal} [signal] */
  async _again(rows, signal) {
    rows.merge(await this._page(null, signal), 0);
    const seen = this._seen();
    if (seen > 0) rows.merge(await this._page(rows.pages[seen]?.start ?? null, signal), seen);
    await this._askGone(rows, signal);
  }

  /** @param {string | null} last_uid @param {AbortSignal} [signal] @returns {Promise<Listing>} */
  _page(last_uid, signal) {
    return get(withQuery(`jobs/${this._info.path}`, { ...absolute(this._query), limit: A_PAGE, last_uid }), { signal });
  }

  /** Return which page is in view. */
  _seen() {
    const rows = this._table.rows();
    const top = (/** @type {number} */ index) => rows[index]?.getBoundingClientRect().top ?? Infinity;
    return Math.max(this._rows.pages.findLastIndex(({ index }) => top(index) < innerHeight / 2), 0);
  }

  /** Ask of some jobs that left what became of them. @param {Rows} rows @param {AbortSignal} [signal] */
  async _askGone(rows, signal) {
    const unknown = [...rows.gone].filter(([, state]) => state === null).slice(0, GONE_A_POLL);
    const ask = async (/** @type {string} */ uid) => {
      try {
        rows.changed(uid, await get(`job/${encodeURIComponent(uid)}`, { signal }));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (error.status === 404) rows.changed(uid, null);
        else if (error.type !== "owner-down") throw error; // else it is asked again when its node is back
      }
    };
    await Promise.all(unknown.map(([uid]) => ask(uid)));
  }

  async _loadMore() {
    this._rows.append(await this._page(this._rows.next));
    if (this._rows.jobs.size === 0) await this._drawEmpty();
    this.draw();
    address.go({ pages: this._rows.pages.length }, { replace: true });
  }

  /** Show what there is now, from the top. */
  refresh() {
    this._rows = new Rows(this._info);
    this._wanted = 1;
    address.go({ pages: null }, { replace: true });
    if (document.activeElement === this._news) this._table.node.focus({ preventScroll: true });
    void this.poll().catch(fail);
  }

  draw() {
    const { news, more_news, gone, next, jobs, pages } = this._rows;
    if (pages.length === 0) return; // what was there stays until there is something new
    const stays = this._keepFocus();
    this._selection.drop(gone.keys());
    this._table.update(this._rows, this._selection, this._open);
    this._empty.hidden = jobs.size > 0;
    this._news.hidden = news === 0 && gone.size === 0;
    text(this._news, news > 0 ? `${news}${more_news ? "+" : ""} new` : `${gone.size} left: refresh`);
    this._after.hidden = next === null;
    const scans = jobs.size < pages.length * A_PAGE; // a filter that matches few
    text(this._more, scans ? "Look further" : `Load ${A_PAGE} more`);
    this._bar.update();
    stays();
  }

  /** Return a function that brings the focus, where what had it cannot have it any more, to its row, or else to the table. */
  _keepFocus() {
    const focused = document.activeElement;
    if (!focused || !this.node.contains(focused)) return () => {};
    const link = focused.closest("tr")?.querySelector("a");
    return () => {
      const near = [focused, link, this._table.node, this.node];
      const next = near.find((one) => one?.checkVisibility({ visibilityProperty: true }) && !one.matches(":disabled"));
      if (next instanceof HTMLElement && next !== document.activeElement) next.focus({ preventScroll: true });
    };
  }

  /** @param {AbortSignal} [signal] */
  async _drawEmpty(signal) {
    const part = this._rows.next !== null;
    const nothing = this._q === "" && Object.values((await get("stats", { signal })).states).every((count) => count === 0);
    const what = part ? "part" : this._q !== "" ? "filtered" : nothing ? "first" : "none";
    if (what === this._what_empty) return;
    this._what_empty = what;
    put(this._empty, { part: notYet, filtered: noneMatches, first: firstJob, none: noneHere }[what](this._info, this._q));
  }

  /** @param {string} uid @param {JobListed | null} job */
  _changed(uid, job) {
    this._rows.changed(uid, job);
    this.draw();
  }

  /** @param {string} uid @param {boolean} on @param {boolean} range */
  _choose(uid, on, range) {
    if (range) this._selection.extend(uid, this._rows.here());
    else this._selection.toggle(uid, on);
    this.draw();
  }

  /** @param {boolean} on */
  _chooseAll(on) {
    this._selection.set(on ? this._rows.here() : []);
    this.draw();
  }

  /** Do a verb to one job. @param {Verb} verb @param {JobListed} job */
  async _act(verb, job) {
    const { word, done } = VERBS[verb];
    const harmless = verb === "retry" || verb === "run";
    if (!harmless && !(await ask({ verb: word, what: "1 job", detail: `${job.method} ${job.url}` }))) return;
    const now = await act(verb, job.uid);
    this._changed(job.uid, now);
    say(`${done} ${plural(1, "job")}`, now ? { label: "Open it", href: address.href({ job: job.uid }) } : undefined);
  }

  /** Do a verb to what is selected, or else to where the keyboard is. @param {Verb} verb */
  async actByKey(verb) {
    if (!verbsOf(this._info.state).includes(verb) || !can(...VERBS[verb].one)) return;
    const why = refusal(...VERBS[verb].one);
    if (why !== null) return say(why);
    const job = this._rows.jobs.get(this._table.current());
    if (this._selection.size > 0) return this._bar.run(verb);
    const seen = job && (job.uid === this._open || this._table.node.contains(document.activeElement)); // which one it is
    if (seen && !this._rows.gone.has(job.uid)) await this._act(verb, job);
  }

  /** Go on by some rows, 0 for none, and select. @param {number} by @param {boolean} range from the last one that was */
  chooseByKey(by, range) {
    const before = this._table.current();
    if (range && by !== 0 && before && !this._selection.has(before)) this._choose(before, true, false);
    const uid = by === 0 ? before : this._table.move(by);
    if (!uid || !this._how.choosing || this._rows.gone.has(uid)) return;
    this._choose(uid, !this._selection.has(uid), range);
  }

  /** @param {number} by */
  move(by) {
    this._table.move(by);
  }

  open() {
    const job = this._table.current();
    if (job) address.go({ job });
  }
}
