// What the page's JavaScript may not do: above all make anything out of text but text.

import js from "@eslint/js";
import globals from "globals";

const htmlFromText = [
  "innerHTML",
  "outerHTML",
  "srcdoc",
  "insertAdjacentHTML",
  "setHTML",
  "setHTMLUnsafe",
  "parseFromString",
  "parseHTMLUnsafe",
  "createContextualFragment",
  "write",
  "writeln",
];

const properties = htmlFromText.flatMap((property) => {
  const message = "Build elements and text nodes: what a job says must never become markup.";
  const ofClipboard = property === "write" ? { object: "document" } : {}; // navigator.clipboard.write is no danger
  return [{ ...ofClipboard, property, message }];
});

// Handlers and styles that are text: of setAttribute, of the properties that make an element, and assigned.
const inline = "/^(on[a-z]+|style|srcdoc)$/i";
const text = ":matches(TemplateLiteral, Literal[raw=/^[\"']/])";
const inlineText = [
  `CallExpression[callee.property.name=/^setAttribute(NS)?$/] > Literal.arguments[value=${inline}]`,
  `CallExpression[callee.name=/^(h|svg)$/] > ObjectExpression > Property[key.name=${inline}] > ${text}.value`,
  `AssignmentExpression[left.property.name=${inline}] > ${text}.right`,
].map((selector) => ({
  selector,
  message: "The page's policy blocks inline handlers and styles: addEventListener, classes, style.setProperty.",
}));

export default [
  js.configs.recommended,
  {
    files: ["shared/taskpusher/ui/**/*.js"],
    languageOptions: { ecmaVersion: 2022, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "eqeqeq": "error",
      "max-lines": ["error", 400],
      "max-lines-per-function": ["error", 70],
      "no-console": ["error", { allow: ["error"] }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-restricted-imports": [
        "error",
        { patterns: [{ regex: "^(?!\\.{1,2}/.+\\.js$)", message: "A browser finds only a relative path to a file: ./lib/dom.js" }] },
      ],
      "no-restricted-properties": ["error", ...properties],
      "no-restricted-syntax": ["error", ...inlineText],
      "no-script-url": "error",
      "no-unused-vars": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
