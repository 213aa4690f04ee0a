/**
 * What is shown is in the query of the page's URL, so that it can be sent to somebody and Back works.
 *
 * @typedef {import("./types.js").Address} Address
 * @typedef {Record<string, string | number | null | undefined>} Changes null, undefined and "" take a part away
 */

const FIRST_VIEW = "jobs";

/** @type {Set<(address: Address) => void>} */
const listeners = new Set();

/** @returns {Address} */
export function read() {
  return { view: FIRST_VIEW, ...Object.fromEntries(new URLSearchParams(location.search)) };
}

/**
 * Return the link that leads to the present address with some changes; another view begins without the old one's parts.
 *
 * @param {Changes} changes
 */
export function href(changes) {
  const now = read();
  /** @type {Changes} */
  const kept = changes.view !== undefined && changes.view !== now.view ? {} : now;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...kept, ...changes })) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  return `${location.pathname}?${query}`;
}

/**
 * Go where `href` leads.
 *
 * @param {Changes} changes
 * @param {{replace?: boolean}} [how] replace: Back leads to what was before, as while somebody types
 */
export function go(changes, { replace = false } = {}) {
  follow(href(changes), replace);
}

/**
 * @param {string} url
 * @param {boolean} replace
 */
function follow(url, replace) {
  if (url === location.pathname + location.search) return;
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  tell();
}

function tell() {
  const address = read();
  for (const listener of listeners) listener(address);
}

/** @param {(address: Address) => void} listener */
export function onChange(listener) {
  listeners.add(listener);
}

/** Let links within the page change the address alone, and Back and Forward bring it back. */
export function start() {
  addEventListener("popstate", tell);
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const other = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0;
    if (!link || other || event.defaultPrevented || link.target || link.hash || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || link.pathname !== location.pathname) return;
    event.preventDefault();
    follow(link.pathname + link.search, false);
  });
}
