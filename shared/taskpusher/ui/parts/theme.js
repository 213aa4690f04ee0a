/** Light or dark: as the system has it, until somebody chooses; the choice is kept in this browser. */

import { h, icon, put } from "../lib/dom.js";
import * as keys from "../lib/keys.js";

const MOON = "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z";
const SUN = "M8 5a3 3 0 1 0 .01 0M8 .8v1.6M8 13.6v1.6M.8 8h1.6M13.6 8h1.6M2.9 2.9L4 4M12 12l1.1 1.1M2.9 13.1L4 12M12 4l1.1-1.1";

/** Return the button that changes the theme; `t` does so too. */
export function themeButton() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = h("button", { type: "button", class: "plain", onclick: toggle });
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  function draw() {
    const other = isDark() ? "light" : "dark";
    put(button, icon(isDark() ? SUN : MOON));
    button.setAttribute("aria-label", `Use the ${other} theme`);
    button.title = `Use the ${other} theme (t)`;
  }
  function toggle() {
    const chosen = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem("theme", chosen);
    } catch {
      // it holds until the page is loaded again
    }
    draw();
  }
  system.addEventListener("change", draw);
  keys.on("t", "Light or dark", toggle);
  draw();
  return button;
}
