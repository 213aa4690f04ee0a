/**
 * The form of a job: what an add takes, what is rare folded away, and every rule that the node says is broken at its field.
 *
 * @typedef {import("./controls.js").Control} Control
 * @typedef {import("./controls.js").Fields} Fields
 */

import { Problem } from "../../lib/api.js";
import { h, text } from "../../lib/dom.js";
import { inWords } from "../../lib/notice.js";
import { act } from "../../lib/role.js";
import { bodyField } from "./body.js";
import { Broken, choice, group, json, line, moment, number, yes } from "./controls.js";
import { headerRows } from "./headers.js";

const ON_CONFLICT = ["keep", "replace", "after"];
const SECONDS = "Seconds";

/** @returns {Control[]} */
const common = () => [
  line({ name: "url", label: "URL", inputmode: "url", required: true }),
  line({ name: "method", label: "Method", placeholder: "GET", hint: "GET where it is not given" }),
  line({ name: "queue", label: "Queue", placeholder: "default" }),
  headerRows(),
  bodyField(),
  number({ name: "delay", label: "Delay", hint: `${SECONDS} from now` }),
  moment({ name: "run_at", label: "Run at", hint: "A time, instead of a delay" }),
  number({ name: "max_attempts", label: "Tries", placeholder: "1", hint: "Calls that may have reached the application" }),
];

/** @returns {Control[]} */
const rare = () => [
  number({ name: "priority", label: "Priority", placeholder: "0", hint: "-100 to 100, higher first" }),
  number({ name: "timeout", label: "Timeout", hint: `${SECONDS} for a call` }),
  number({ name: "ttl", label: "Time to live", hint: `${SECONDS} within which it must begin` }),
  number({ name: "unreached_attempts", label: "Tries that do not arrive", placeholder: "10", hint: "Beside the others" }),
  json({ name: "backoff", label: "Backoff", placeholder: "10, 60, 600", rows: 2, bare: list, hint: "Seconds between tries, or an object" }),
  line({ name: "success", label: "Success", placeholder: "200", hint: "Statuses, such as 200,204 or 2xx" }),
  number({ name: "redirects", label: "Redirects", placeholder: "0", hint: "How many are followed" }),
  line({ name: "key", label: "Key", hint: "Jobs of a key go to the same node" }),
  yes({ name: "ordered", label: "Ordered", hint: "Jobs of the key one at a time" }),
  line({ name: "unique", label: "Unique", hint: "One unfinished job of this text" }),
  choice({ name: "on_conflict", label: "On conflict", choices: [["", "keep"], ...ON_CONFLICT.slice(1).map(named)], hint: "If there is one already" }),
  line({ name: "idempotency_key", label: "Idempotency key", hint: "Added once, however often it is sent" }),
  group("limit", "Limit", [
    line({ name: "limit.key", label: "Key" }),
    number({ name: "limit.concurrency", label: "Calls at once" }),
    number({ name: "limit.rate", label: "Calls begun" }),
    number({ name: "limit.per", label: "In seconds", placeholder: "1" }),
  ]),
  json({ name: "callback", label: "Callback", rows: 3, bare: (url) => url, hint: "A URL that is told of the end, or an object" }),
  json({ name: "meta", label: "Meta", rows: 3, placeholder: '{"order": 7}', hint: "An object of your own, shown with the job" }),
  json({ name: "redact", label: "Redact", bare: words, placeholder: "X-Session, code", hint: "Headers and parameters that are masked too" }),
];

/** @param {string} value @returns {[string, string]} */
const named = (value) => [value, value];

/** @param {string} said */
const words = (said) => said.split(",").map((word) => word.trim()).filter(Boolean);

/** @param {string} said */
const list = (said) => words(said).map((delay) => (Number.isFinite(Number(delay)) ? Number(delay) : delay));

/**
 * Return a form: `read` what is given, `write` a job's fields into it.
 *
 * @param {object} how
 * @param {string} how.verb on the button that sends it
 * @param {[string, string]} how.call that it makes, as /openapi.json spells it
 * @param {(fields: Fields) => Promise<void>} how.send
 * @param {readonly string[]} [how.but] names of fields that are not in it
 * @param {(Node | null)[]} [how.ways] other buttons
 * @param {(fields: Fields | null) => void} [how.changed] told what is given, null where that cannot be sent
 */
export function jobForm({ verb, call: [method, path], send, but = [], ways = [], changed }) {
  const wanted = (/** @type {Control} */ { name }) => !but.includes(name);
  const [first, more] = [common().filter(wanted), rare().filter(wanted)];
  const all = [...first, ...more];
  const general = h("p", { class: "field-error", role: "alert" });
  const fold = h("details", { class: "form-more" }, h("summary", null, "More"), h("div", { class: "fields" }, more.map(({ node }) => node)));
  const button = act(verb, method, path, submit, { type: "submit", class: "primary" });
  const acts = h("div", { class: "form-acts" }, button, ways.filter((way) => way !== null));
  const node = h(
    "form",
    { class: "job-form", novalidate: true, onsubmit: (/** @type {Event} */ event) => event.preventDefault(), oninput: tell },
    h("div", { class: "fields" }, first.map((one) => one.node)),
    fold,
    general,
    acts,
  );

  /** @returns {Fields} */
  const read = () => Object.assign({}, ...all.map((one) => one.read()));

  function tell() {
    if (!changed) return;
    try {
      changed(read());
    } catch {
      changed(null);
    }
  }

  /** @param {{path: string, rule: string}[]} errors */
  function fail(errors) {
    const left = errors.filter(({ path: at, rule }) => !all.some((one) => one.fail(at, rule)));
    text(general, left.map(({ path: at, rule }) => `${at}: ${rule}`).join("; "));
    if (fold.querySelector(".field-error:not(:empty)")) fold.open = true;
    /** @type {HTMLElement | null} */ (node.querySelector("[aria-invalid=true]"))?.focus();
  }

  async function submit() {
    text(general, "");
    for (const one of all) one.clear();
    try {
      await send(read());
    } catch (error) {
      if (error instanceof Broken) fail([{ path: error.path, rule: error.message }]);
      else if (error instanceof Problem && error.errors.length > 0) fail(error.errors);
      else if (error instanceof Problem) text(general, inWords(error));
      else throw error;
    }
  }

  return {
    node,
    read,
    /** @param {Fields} fields */
    write(fields) {
      for (const one of all) one.write(fields);
      fold.open ||= more.some((one) => Object.keys(one.read()).length > 0);
      tell();
    },
    focus: () => /** @type {HTMLElement | null} */ (node.querySelector("input, textarea, select"))?.focus(),
  };
}
