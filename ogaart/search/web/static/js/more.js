// More: the next page is appended; Back finds all of it again; without a connection nothing is lost.
import { showBasket } from "./basket.js";
import { read, write } from "./stored.js";
import { say } from "./toast.js";

const KEPT = 12; // pages of results whose pictures are kept for Back
const session = () => sessionStorage;
const key = () => `ogaart.more:${location.pathname}${location.search}`;
const grid = document.querySelector("[data-grid]");
const pager = () => document.querySelector("[data-pager]");

/** The cards without what scripts have set on them: the security policy takes no style from markup. */
function plainCards() {
  const copy = grid.cloneNode(true);
  for (const one of copy.querySelectorAll("[style]")) {
    one.removeAttribute("style");
    one.classList.remove("trimmed");
  }
  return copy.innerHTML;
}

function remember() {
  const pages = [...read("ogaart.more", [], session).filter((one) => one !== key()), key()];
  for (const old of pages.splice(0, Math.max(0, pages.length - KEPT))) write(old, null, session);
  write("ogaart.more", pages, session);
  write(key(), { cards: plainCards(), pager: pager().innerHTML, top: scrollY }, session);
}

/** Back shows what was there: the cards that More had added, and the place on the page. */
function restore() {
  const kept = read(key(), null, session);
  const [entry] = performance.getEntriesByType("navigation");
  if (!kept || entry?.type !== "back_forward") return write(key(), null, session);
  // This server's own cards, as it sent them.
  grid.innerHTML = kept.cards;
  pager().innerHTML = kept.pager;
  document.dispatchEvent(new CustomEvent("ogaart:added"));
  showBasket();
  history.scrollRestoration = "manual";
  requestAnimationFrame(() => scrollTo(0, kept.top));
  return true;
}

async function append(more) {
  const label = more.textContent;
  more.textContent = "Loading …";
  try {
    const answer = await fetch(more.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const shown = new Set([...grid.children].map((card) => card.dataset.card));
    const fresh = [...(page.querySelector("[data-grid]")?.children || [])].filter((card) => !shown.has(card.dataset.card));
    grid.append(...fresh);
    pager().replaceWith(page.querySelector("[data-pager]") || document.createElement("nav"));
    document.dispatchEvent(new CustomEvent("ogaart:added"));
    showBasket();
    remember();
    fresh[0]?.querySelector("a")?.focus({ preventScroll: true });
  } catch (cause) {
    more.textContent = label;
    const busy = /^\d+$/.test(cause.message);
    say(busy ? `The server answered ${cause.message}: try again in a moment` : "No connection: what is shown stays. Try again later");
  }
}

if (grid && pager()) {
  document.addEventListener("click", (event) => {
    const more = event.target.closest("[data-more]");
    if (!more || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    append(more);
  });
  addEventListener("pagehide", () => read(key(), null, session) && remember());
  restore();
}
