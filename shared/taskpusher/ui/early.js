// Takes up the chosen theme before anything is drawn, so that nothing flashes; parts/theme.js has the rest.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // a browser that keeps nothing has the theme of the system
}
