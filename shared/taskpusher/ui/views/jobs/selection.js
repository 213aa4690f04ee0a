/**
 * Which jobs are selected: some of those shown, or all that match, shown or not.
 *
 * @typedef {{count: number, params: Record<string, string>}} Matching how many match, and the filters they were counted with
 */

export class Selection {
  constructor() {
    /** @type {Set<string>} */
    this.uids = new Set();
    /** @type {Matching | null} */
    this.matching = null;
    /** @type {string | null} where a range begins: what was touched last */
    this._anchor = null;
  }

  get size() {
    return this.matching?.count ?? this.uids.size;
  }

  /** @param {string} uid */
  has(uid) {
    return this.matching !== null || this.uids.has(uid);
  }

  /** @param {string} uid @param {boolean} [on] */
  toggle(uid, on = !this.uids.has(uid)) {
    this.matching = null;
    if (on) this.uids.add(uid);
    else this.uids.delete(uid);
    this._anchor = uid;
  }

  /**
   * Select from what was touched last to a job, both included.
   *
   * @param {string} uid
   * @param {string[]} order
   */
  extend(uid, order) {
    const from = this._anchor === null ? -1 : order.indexOf(this._anchor);
    const to = order.indexOf(uid);
    if (from < 0) return this.toggle(uid, true);
    this.matching = null;
    for (const one of order.slice(Math.min(from, to), Math.max(from, to) + 1)) this.uids.add(one);
  }

  /** @param {string[]} uids */
  set(uids) {
    this.matching = null;
    this.uids = new Set(uids);
  }

  /** @param {Matching} matching */
  all(matching) {
    this.matching = matching;
    this.uids.clear();
  }

  clear() {
    this.set([]);
    this._anchor = null;
  }

  /** Forget those that cannot be chosen any more. @param {Iterable<string>} gone */
  drop(gone) {
    for (const uid of gone) this.uids.delete(uid);
  }
}
