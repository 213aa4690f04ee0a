/**
 * Which jobs are shown: in their place from when they came until somebody refreshes, whatever the polls say.
 *
 * @typedef {import("../../lib/types.js").JobListed} JobListed
 * @typedef {import("../../lib/types.js").Listing} Listing
 * @typedef {import("../../lib/states.js").StateInfo} StateInfo
 * @typedef {{job: JobListed, now: string | null}} Gone a job that left the state; `now`: its state, null where not asked yet
 */

const SOONEST_FIRST = ["waiting", "scheduled"];

export class Rows {
  /** @param {StateInfo} info */
  constructor(info) {
    this._info = info;
    /** @type {Map<string, JobListed>} */
    this.jobs = new Map();
    /** @type {Map<string, string | null>} what became of those that left, by uid */
    this.gone = new Map();
    /** @type {{start: string | null, index: number}[]} where each page that was loaded begins, and its first row */
    this.pages = [];
    /** @type {string | null} where the next page begins */
    this.next = null;
    this.news = 0; // jobs that would be among those shown, were they asked for now
    this.more_news = false; // at least so many
  }

  /** Take the next page. @param {Listing} listing */
  append(listing) {
    this.pages.push({ start: this.next, index: this.jobs.size });
    for (const job of listing.jobs) this.jobs.set(job.uid, job);
    this.next = listing.last_uid;
  }

  /**
   * Take what a page says when it is asked for again: nothing that is shown moves.
   *
   * @param {Listing} listing
   * @param {number} page
   */
  merge(listing, page) {
    const there = new Set(listing.jobs.map(({ uid }) => uid));
    const missing = new Set(listing.missing); // nodes that told nothing of their jobs
    if (page === this.pages.length - 1 && this.next === null) this._follow(listing);
    const unknown = listing.jobs.filter(({ uid }) => !this.jobs.has(uid));
    for (const job of listing.jobs) {
      if (!this.jobs.has(job.uid)) continue;
      this.jobs.set(job.uid, job);
      this.gone.delete(job.uid);
    }
    const last = listing.last_uid === null ? null : listing.jobs.at(-1);
    const first = page === 0 ? null : listing.jobs[0];
    if (last !== undefined && first !== undefined) {
      for (const [uid, job] of this.jobs) {
        if (missing.has(job.node)) continue;
        const looked_at = (first === null || !this._before(job, first)) && (last === null || !this._before(last, job));
        if (looked_at && !there.has(uid) && !this.gone.has(uid)) this.gone.set(uid, null);
      }
    }
    if (page > 0) return;
    this.news = unknown.length;
    this.more_news = unknown.length === listing.jobs.length && listing.last_uid !== null;
  }

  /** Take what comes behind all that is shown, which moves nothing. @param {Listing} listing */
  _follow(listing) {
    const last = [...this.jobs.values()].at(-1);
    for (const job of listing.jobs) {
      if (!this.jobs.has(job.uid) && (!last || this._before(last, job))) this.jobs.set(job.uid, job);
    }
    this.next = listing.last_uid;
  }

  /** Take what became of a job by hand. @param {string} uid @param {JobListed | null} job null: it is deleted */
  changed(uid, job) {
    if (job && job.state === this._info.state) {
      this.jobs.set(uid, job);
      this.gone.delete(uid); // it is back, and keeps its place here
    } else if (this.jobs.has(uid)) this.gone.set(uid, job?.state ?? "deleted");
  }

  /** Return the uids of those that are still in the state, in their order. */
  here() {
    return [...this.jobs.keys()].filter((uid) => !this.gone.has(uid));
  }

  /** Tell whether a job stands before another one. @param {JobListed} one @param {JobListed} other */
  _before(one, other) {
    const [a, b] = [this._at(one), this._at(other)];
    const first = a === b ? one.uid < other.uid : a < b;
    return SOONEST_FIRST.includes(this._info.state) ? first : !first && one.uid !== other.uid;
  }

  /** @param {JobListed} job */
  _at(job) {
    const time = job[this._info.time];
    return time === null ? 0 : Date.parse(time);
  }
}
