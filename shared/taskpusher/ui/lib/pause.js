/**
 * That something stands still: by whom, since when, until when; and asking for how long it shall.
 *
 * @typedef {import("./types.js").Pause} Pause
 */

import { formDialog, numberOf } from "./form.js";
import { h, put, text } from "./dom.js";
import { setTime, timeNode } from "./format.js";

/**
 * Return {node, update(pause)}: "Paused by ann 4 m ago, ends in 6 m".
 *
 * @param {string} word
 * @param {string} end what ends it, where no time does: "it is resumed"
 */
export function pauseNode(word, end) {
  const who = h("strong", { class: "held" });
  const since = timeNode();
  const until = timeNode();
  const rest = h("span");
  const node = h("span", null, who, rest);
  let shown = "";
  /** @param {Pause} pause */
  function update({ by, since: from, until: to }) {
    text(who, by ? `${word} by ${by}` : word);
    const shape = `${from !== null} ${to !== null}`;
    if (shape !== shown) put(rest, from === null ? null : [" ", since], to === null ? `, until ${end}` : [", ends ", until]);
    shown = shape;
    setTime(since, from);
    setTime(until, to);
  }
  return { node, update };
}

/**
 * Ask for how many minutes, and do it; the field is that of the API, whose rules stand there.
 *
 * @param {{title: string, detail: string, verb: string, submit: (query: {for: number | string | null}) => Promise<unknown>}} what
 */
export function askHowLong({ title, detail, verb, submit }) {
  formDialog({
    title,
    detail,
    verb,
    fields: [{ name: "for", label: "Minutes", hint: "Empty: until somebody ends it", kind: "number", value: 10 }],
    submit: (values) => {
      const minutes = numberOf(values.for);
      return submit({ for: typeof minutes === "number" ? minutes * 60 : minutes });
    },
  });
}
