/** JSON whose numbers stay as they are written, also those that JavaScript cannot hold, such as ids of 19 digits. */

const HELD_DIGITS = 15; // any number of so few characters is held as it is

/** @type {JSON & {rawJSON?: (text: string) => object}} what older browsers lack */
const known = JSON;

/**
 * Return the value of a JSON text; `JSON.stringify` writes its long numbers as they were. Raises SyntaxError.
 *
 * @param {string} text
 * @returns {any}
 */
export function parse(text) {
  return JSON.parse(text, keep);
}

/**
 * @param {string} _ the name of the member
 * @param {unknown} value
 * @param {{source: string}} [context]
 */
function keep(_, value, context) {
  if (typeof value !== "number" || !context || !known.rawJSON) return value;
  const lost = !Number.isFinite(value) || (context.source.length > HELD_DIGITS && String(value) !== context.source);
  return lost ? known.rawJSON(context.source) : value;
}

/** Return a value as JSON that people can read. @param {unknown} value */
export const pretty = (value) => JSON.stringify(value, null, 2);
