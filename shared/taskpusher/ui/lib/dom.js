/**
 * Builds elements and keeps rows in place: element and text nodes only, never HTML from strings.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {string | number | boolean | null | undefined} Attribute
 * @typedef {Record<string, Attribute | ((event: any) => void)>} Props functions are listeners: onclick, oninput, ...
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Return an HTML element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  fill(element, props, children);
  return element;
}

/**
 * Return an SVG element.
 *
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Props | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, props, ...children) {
  const element = document.createElementNS(SVG, tag);
  fill(element, props, children);
  return element;
}

/**
 * Return an icon of 16 by 16, drawn in the colour of the text around it.
 *
 * @param {string} path
 */
export function icon(path) {
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": true }, svg("path", { d: path }));
}

/**
 * @param {Element} element
 * @param {Props | null | undefined} props
 * @param {(Child | Child[])[]} children
 */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else attr(element, name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) element.append(asNode(child));
  }
}

/** @param {Node | string | number} child */
function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/**
 * Set an attribute where it changes; null, undefined and false take it away, but aria-* say true and false.
 *
 * @param {Element} element
 * @param {string} name
 * @param {Attribute} value
 */
export function attr(element, name, value) {
  const said = name.startsWith("aria-") && typeof value === "boolean" ? String(value) : value;
  if (said === null || said === undefined || said === false) element.removeAttribute(name);
  else {
    const text = said === true ? "" : String(said);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/**
 * Set what an element says, where it changes: so a selection survives, and a reader hears only news.
 *
 * @param {Element} element
 * @param {string | number} value
 */
export function text(element, value) {
  const said = String(value);
  if (element.textContent !== said) element.textContent = said;
}

/**
 * Replace all children.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function put(element, ...children) {
  element.textContent = "";
  fill(element, null, children);
}

/**
 * How rows are told apart, made and brought up to date; `node` of a row is what stands in the parent.
 *
 * @template T
 * @template {{node: Element}} R
 * @typedef {object} Keyed
 * @property {(item: T) => string} key
 * @property {(item: T) => R} make
 * @property {(row: R, item: T) => void} update
 */

/** @type {WeakMap<Element, Map<string, {node: Element}>>} */
const ROWS = new WeakMap();

/**
 * Make the children of a parent show some items: rows that stay keep their nodes, and so focus, selection and scroll.
 *
 * @template T
 * @template {{node: Element}} R
 * @param {Element} parent holds nothing else
 * @param {Iterable<T>} items
 * @param {Keyed<T, R>} how
 * @returns {Map<string, R>} the rows by key
 */
export function keyed(parent, items, { key, make, update }) {
  const before = /** @type {Map<string, R>} */ (ROWS.get(parent) ?? new Map());
  /** @type {Map<string, R>} */
  const rows = new Map();
  for (const item of items) {
    const name = key(item);
    const row = before.get(name) ?? make(item);
    update(row, item);
    rows.set(name, row);
  }
  const focused = document.activeElement;
  for (const [name, row] of before) if (!rows.has(name)) row.node.remove();
  let next = parent.firstChild;
  for (const { node } of rows.values()) {
    if (node === next) next = node.nextSibling;
    else parent.insertBefore(node, next);
  }
  if (focused instanceof HTMLElement && focused !== document.activeElement && parent.contains(focused)) {
    focused.focus({ preventScroll: true }); // its row was moved
  }
  ROWS.set(parent, rows);
  return rows;
}
