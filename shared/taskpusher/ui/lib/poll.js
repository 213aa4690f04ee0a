/**
 * Polling: one at a time, every two seconds while the page is visible, slower while the node is down, not while paused.
 */

import { Problem } from "./api.js";

const EVERY_MS = 2_000;
const DOWN_MAX_MS = 5_000;

export class Poll {
  /** @param {(signal: AbortSignal) => Promise<void>} work throws a Problem, of which it has told, when the node does not answer */
  constructor(work) {
    this._work = work;
    this._wait_ms = EVERY_MS;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    /** @type {AbortController | null} */
    this._running = null;
    this.paused = false;
  }

  start() {
    document.addEventListener("visibilitychange", () => this._plan(0));
    addEventListener("online", () => this._plan(0));
    this._plan(0);
  }

  /** Poll at once, also while paused; what runs is broken off, for it asked for something else. */
  now() {
    this._running?.abort();
    this._running = null;
    clearTimeout(this._timer);
    void this._once();
  }

  /** @param {boolean} on */
  pause(on) {
    this.paused = on;
    this._plan(0);
  }

  /** @param {number} in_ms */
  _plan(in_ms) {
    clearTimeout(this._timer);
    if (this.paused || document.hidden || this._running) return;
    this._timer = setTimeout(() => void this._once(), in_ms);
  }

  async _once() {
    const mine = new AbortController();
    this._running = mine;
    try {
      await this._work(mine.signal);
      if (this._running !== mine) return;
      this._wait_ms = EVERY_MS;
    } catch (error) {
      if (this._running !== mine) return; // it was broken off
      if (!(error instanceof Problem)) reportError(error);
      this._wait_ms = Math.min(this._wait_ms * 1.5, DOWN_MAX_MS);
    }
    this._running = null;
    this._plan(this._wait_ms);
  }
}
