/**
 * A list that can be searched and sorted, both kept in the URL; its rows keep their places while somebody is on them.
 *
 * @template T
 * @typedef {{node: Node, update: (item: T) => void}} Cell
 */

/**
 * @template T
 * @typedef {object} Column
 * @property {string} name in the URL
 * @property {string} label
 * @property {(item: T) => Cell<T>} cell
 * @property {(item: T) => string | number | null} [by] what is sorted by; null comes last
 * @property {"figure" | "acts" | "main"} [kind]
 */

/**
 * @template T
 * @typedef {object} Table
 * @property {string} label what the list is of
 * @property {Column<T>[]} columns
 * @property {(item: T) => string} key
 * @property {(item: T) => string} [text] what a search looks into
 * @property {string} sort by which column, as long as nobody sorts: "-count" with the largest first; "" leaves their order
 * @property {string} empty what is said of a list with nothing in it
 */

import * as address from "./address.js";
import { attr, h, keyed, put, text } from "./dom.js";
import { count, plural, setTime, timeNode } from "./format.js";

const SHOWN = 100; // rows, until somebody asks for all
const TYPED_MS = 300; // after which what was typed goes into the URL
const SEARCHED_FROM = 8; // rows, of which on a search is of use

/**
 * Return a cell that is a text.
 *
 * @template T
 * @param {(item: T) => string} said
 * @returns {(item: T) => Cell<T>}
 */
export const textCell = (said) => () => {
  const node = h("span");
  return { node, update: (item) => text(node, said(item)) };
};

/**
 * Return a cell that is a time, or that there is none.
 *
 * @template T
 * @param {(item: T) => string | null} time
 * @returns {(item: T) => Cell<T>}
 */
export const timeCell = (time) => () => {
  const node = h("span");
  const shown = timeNode();
  /** @param {T} item */
  function update(item) {
    const at = time(item);
    setTime(shown, at);
    if (at === null) text(node, "–");
    else if (shown.parentNode !== node) put(node, shown);
  }
  return { node, update };
};

/**
 * Return {node, update(address), draw(items)}.
 *
 * @template T
 * @param {Table<T>} how
 * @param {import("./types.js").Address} first
 */
export function table(how, first) {
  let now = first;
  /** @type {T[] | null} */
  let items = null;
  /** @type {string[]} keys in the order of the rows */
  let order = [];
  const body = h("tbody");
  const heads = how.columns.map((column) => headOf(column, () => sorting(how, now)));
  const search = h("input", { type: "search", "aria-label": `Search ${how.label}`, placeholder: "Search", oninput: typed });
  const told = h("span", { class: "list-told", role: "status" });
  const all = h("a", { class: "list-all" });
  const empty = h("p", { class: "empty" });
  const box = h("div", { class: "table-box" }, h("table", { class: "list" }, h("thead", null, h("tr", null, heads.map(({ node }) => node))), body));
  const tools = h("div", { class: "list-tools" }, search, told);
  const node = h("div", null, tools, box, empty, all);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const held = () => box.matches(":hover") || box.contains(document.activeElement);

  function typed() {
    order = [];
    show();
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (node.isConnected) address.go({ find: search.value, rows: null }, { replace: true });
    }, TYPED_MS);
  }

  function show() {
    if (items === null) return;
    const wanted = search.value.toLowerCase();
    const found = wanted && how.text ? items.filter((item) => how.text?.(item).toLowerCase().includes(wanted)) : items;
    const sorted = inOrder(how, found, sorting(how, now));
    const placed = held() ? keepPlaces(how, sorted, order) : sorted;
    order = placed.map(how.key);
    const shown = now.rows === "all" ? placed : placed.slice(0, SHOWN);
    const stays = keepFocus(body);
    keyed(body, shown, { key: how.key, make: (item) => rowOf(how.columns, item), update: (row, item) => row.update(item) });
    stays();
    for (const head of heads) head.update();
    tools.hidden = !how.text || (items.length < SEARCHED_FROM && !wanted);
    text(told, wanted ? `${count(found.length)} of ${plural(items.length, "row")}` : "");
    box.hidden = found.length === 0;
    text(empty, found.length > 0 ? "" : items.length > 0 ? `Nothing of it has “${search.value}” in it` : how.empty);
    all.hidden = shown.length === placed.length;
    attr(all, "href", address.href({ rows: "all" }));
    text(all, `Show all ${count(placed.length)}`);
  }

  /** @param {import("./types.js").Address} changed */
  function update(changed) {
    if (changed.sort !== now.sort) order = [];
    if (changed.find !== now.find) search.value = changed.find ?? "";
    now = changed;
    show();
  }

  box.hidden = all.hidden = tools.hidden = true;
  search.value = now.find ?? "";
  return {
    node,
    update,
    /** @param {T[]} fresh */
    draw(fresh) {
      items = fresh;
      show();
    },
  };
}

/**
 * Return a function that brings the focus, where what had it is gone, to the next best: in its cell, its row, or the row
 * that is now in that place; and to the view where there is none.
 *
 * @param {HTMLTableSectionElement} body
 */
function keepFocus(body) {
  const focused = document.activeElement;
  const cell = focused instanceof HTMLElement && body.contains(focused) ? focused.closest("td") : null;
  const row = /** @type {HTMLTableRowElement | null} */ (cell?.parentElement ?? null);
  const place = row?.sectionRowIndex ?? 0;
  return () => {
    if (!focused || !cell || (focused.isConnected && focused.checkVisibility())) return;
    const near = row?.isConnected ? [cell, row] : [body.rows[Math.min(place, body.rows.length - 1)]];
    const choices = near.flatMap((one) => [...(one?.querySelectorAll("a[href], button") ?? [])]);
    const next = choices.find((one) => one.checkVisibility()) ?? document.getElementById("view");
    if (next instanceof HTMLElement) next.focus({ preventScroll: true });
  };
}

/**
 * @template T
 * @param {Table<T>} how
 * @param {import("./types.js").Address} now
 */
const sorting = (how, now) => now.sort ?? how.sort;

/**
 * Return the head of a column: one that is sorted by is a link, and the same one again turns the order round.
 *
 * @template T
 * @param {Column<T>} column
 * @param {() => string} sorted
 */
function headOf({ name, label, by, kind }, sorted) {
  const link = by ? h("a", { class: "sort" }, label) : null;
  const node = h("th", { scope: "col", class: kind ?? null }, link ?? h("span", { class: kind === "acts" ? "unseen" : null }, label));
  function update() {
    if (!link) return;
    const now = sorted();
    const down = now === `-${name}`;
    attr(node, "aria-sort", down ? "descending" : now === name ? "ascending" : null);
    attr(link, "href", address.href({ sort: down || (now !== name && kind !== "figure") ? name : `-${name}` }));
  }
  return { node, update };
}

/**
 * @template T
 * @param {Column<T>[]} columns
 * @param {T} first
 */
function rowOf(columns, first) {
  const cells = columns.map(({ cell }) => cell(first));
  const boxes = columns.map(({ label, kind }, index) => h("td", { class: kind ?? null, "data-label": label }, cells[index]?.node));
  return {
    node: h("tr", null, boxes),
    /** @param {T} item */
    update(item) {
      for (const cell of cells) cell.update(item);
    },
  };
}

/**
 * @template T
 * @param {Table<T>} how
 * @param {T[]} items
 * @param {string} sort
 */
function inOrder({ columns }, items, sort) {
  const down = sort.startsWith("-");
  const by = columns.find(({ name }) => name === sort.slice(down ? 1 : 0))?.by;
  if (!by) return items;
  return items.toSorted((one, other) => {
    const [a, b] = [by(one), by(other)];
    if (a === b) return 0;
    if (a === null || b === null) return a === null ? 1 : -1;
    return (a < b ? -1 : 1) * (down ? -1 : 1);
  });
}

/**
 * Return the items in the places that they had, and behind them those that are new.
 *
 * @template T
 * @param {Table<T>} how
 * @param {T[]} sorted
 * @param {string[]} order
 */
function keepPlaces({ key }, sorted, order) {
  const places = new Map(order.map((name, index) => [name, index]));
  const known = sorted.filter((item) => places.has(key(item)));
  known.sort((one, other) => (places.get(key(one)) ?? 0) - (places.get(key(other)) ?? 0));
  return [...known, ...sorted.filter((item) => !places.has(key(item)))];
}
