// Menus of filters: one open at a time, closed by Escape and by a click elsewhere; "/" leads to the words.
const open = () => document.querySelectorAll("details.menu[open], details.places[open]");

document.addEventListener("click", (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener(
  "toggle",
  (event) => {
    if (!event.target.open || !event.target.matches?.("details.menu")) return;
    for (const menu of open()) if (menu !== event.target && !menu.contains(event.target)) menu.open = false;
  },
  true,
);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of open()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.closest("input, textarea, select, dialog")) {
    const words = document.querySelector(".words input");
    if (words) {
      event.preventDefault();
      words.focus();
      words.select();
    }
  }
});
