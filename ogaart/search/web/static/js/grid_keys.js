// Keys in a grid of pictures: arrows move, Enter opens, m finds more like it, k keeps it, c copies its credit line.
const cards = () => [...document.querySelectorAll(".grid > .card")];

function step(all, at, key) {
  if (key === "ArrowLeft") return at - 1;
  if (key === "ArrowRight") return at + 1;
  const { left, top } = all[at].getBoundingClientRect();
  const down = key === "ArrowDown";
  const rows = down ? all.slice(at + 1) : all.slice(0, at).reverse();
  const found = rows.find((card) => {
    const box = card.getBoundingClientRect();
    return Math.abs(box.left - left) < box.width / 2 && (down ? box.top > top + 8 : box.top < top - 8);
  });
  return found ? all.indexOf(found) : at;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog, [data-viewer]")) return;
  const all = cards();
  const at = all.indexOf(document.activeElement?.closest(".grid > .card"));
  if (event.key.startsWith("Arrow") && all.length) {
    if (at < 0) return;
    event.preventDefault();
    all[Math.min(Math.max(step(all, at, event.key), 0), all.length - 1)].querySelector("a.tile").focus();
    return;
  }
  if (at < 0 || event.shiftKey) return;
  const button = { m: ".acts a", k: "[data-pick]", c: "[data-copy]" }[event.key.toLowerCase()];
  if (button) all[at].querySelector(button)?.click();
});
