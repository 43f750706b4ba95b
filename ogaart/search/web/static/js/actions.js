// Buttons of pictures: copy a text, keep one or all.
import { basket, current, keep, showBasket } from "./basket.js";
import { BLOCKED } from "./stored.js";
import { say } from "./toast.js";

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say(button.dataset.copied || "Credit line copied");
  } catch {
    say(button.dataset.copy);
  }
}

function pick(button) {
  const ids = basket();
  const id = button.dataset.pick;
  const had = ids.includes(id);
  if (button.hasAttribute("data-drop")) {
    if (had && !keep(ids.filter((other) => other !== id))) return say(BLOCKED);
    return document.dispatchEvent(new CustomEvent("ogaart:dropped", { detail: id }));
  }
  if (!keep(had ? ids.filter((other) => other !== id) : [...ids, id])) return say(BLOCKED);
  const where = current() ? `“${current()}”` : "the credits";
  say(had ? `Removed from ${where}` : `Kept for ${where}`);
}

function pickAll() {
  const shown = [...document.querySelectorAll("[data-grid] [data-card]")].map((card) => card.dataset.card);
  say(keep([...basket(), ...shown]) ? `Kept ${shown.length} pictures for the credits` : BLOCKED);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-pick], [data-pick-all]");
  if (!button) return;
  if ("copy" in button.dataset) copy(button);
  else if ("pick" in button.dataset) pick(button);
  else pickAll();
});

showBasket();
