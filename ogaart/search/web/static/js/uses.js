// "I want to" is remembered: set on pages that have no search yet, and carried into searches that begin there.
import { read, write } from "./stored.js";

const KEY = "ogaart.uses";
const KNOWN = ["sell", "no-credit", "no-share-alike", "drm"];
const remembered = () => read(KEY, []).filter?.((use) => KNOWN.includes(use)) || [];
const form = document.querySelector("[data-search]");
const boxes = [...document.querySelectorAll("[data-uses] input[name=use]")];
const searching = location.pathname === "/search";

function label() {
  const summary = document.querySelector("[data-uses]")?.closest("details").querySelector("summary");
  if (!summary?.firstChild) return;
  const set = boxes.filter((box) => box.checked).length;
  summary.firstChild.textContent = set ? `I want to · ${set}` : "I want to";
  summary.closest("details").classList.toggle("active", set > 0);
}

if (boxes.length && !searching) {
  for (const box of boxes) box.checked = remembered().includes(box.value);
  label();
}
form?.addEventListener("submit", () => {
  if (boxes.length) write(KEY, boxes.filter((box) => box.checked).map((box) => box.value));
});
document.addEventListener("click", (event) => {
  const preset = event.target.closest("[data-preset]");
  if (preset) write(KEY, preset.dataset.preset.split(" "));
  const link = event.target.closest("[data-carry-uses], .doors a");
  if (link?.href) {
    const target = new URL(link.href);
    if (!target.searchParams.has("use")) for (const use of remembered()) target.searchParams.append("use", use);
    link.href = target.href;
  }
});
