// Switches of the page's look: light or dark, size of the tiles, ground behind the pictures.
import { say } from "./toast.js";

const root = document.documentElement;
const THEMES = ["", "light", "dark"];

function choose(name, value) {
  if (value) root.dataset[name] = value;
  else delete root.dataset[name];
  try {
    if (value) localStorage.setItem(`ogaart.${name}`, value);
    else localStorage.removeItem(`ogaart.${name}`);
  } catch {
    // it holds for this page; nothing is lost but the memory of it
  }
  show();
  document.dispatchEvent(new CustomEvent("ogaart:look"));
}

function show() {
  for (const button of document.querySelectorAll("[data-look] [data-tiles]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tiles === (root.dataset.tiles || "m")));
  }
  for (const button of document.querySelectorAll("[data-look] [data-ground]")) {
    button.setAttribute("aria-pressed", String(button.dataset.ground === (root.dataset.ground || "auto")));
  }
  const theme = document.querySelector("[data-theme-switch]");
  theme?.setAttribute("aria-label", `Theme: ${root.dataset.theme || "as the system"}`);
  theme?.setAttribute("title", `Theme: ${root.dataset.theme || "as the system"}`);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-look] button, [data-theme-switch]");
  if (!button) return;
  if ("tiles" in button.dataset) choose("tiles", button.dataset.tiles === "m" ? "" : button.dataset.tiles);
  else if ("ground" in button.dataset) choose("ground", button.dataset.ground === "auto" ? "" : button.dataset.ground);
  else {
    choose("theme", THEMES[(THEMES.indexOf(root.dataset.theme || "") + 1) % THEMES.length]);
    say(`Theme: ${root.dataset.theme || "as the system"}`);
  }
});

show();
