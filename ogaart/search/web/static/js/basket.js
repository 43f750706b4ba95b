// What a visitor keeps: ids of pictures in named collections, in this browser and nowhere else.
import { read, write } from "./stored.js";

const KEY = "ogaart.basket"; // the unnamed collection, under the key of before
const NAMED = "ogaart.collections";
const CURRENT = "ogaart.collection";

const valid = (ids) => (Array.isArray(ids) ? ids.filter((id) => /^\d{1,19}$/.test(id)) : []);

/** Name of the collection that is filled; empty for the unnamed one. */
export const current = () => {
  const name = read(CURRENT, "");
  return typeof name === "string" && (name === "" || name in named()) ? name : "";
};

export function named() {
  const found = read(NAMED, {});
  return found && typeof found === "object" && !Array.isArray(found) ? found : {};
}

export const basket = (name = current()) => valid(name ? named()[name] : read(KEY, []));

/** Replace what a collection holds; false where the browser stores nothing. */
export function keep(ids, name = current()) {
  const unique = [...new Set(ids)];
  const done = name ? write(NAMED, { ...named(), [name]: unique }) : write(KEY, unique);
  showBasket();
  return done;
}

export function choose(name) {
  const done = write(CURRENT, name);
  showBasket();
  return done;
}

export const create = (name) => (name in named() || write(NAMED, { ...named(), [name]: [] })) && choose(name);

export function remove(name) {
  const left = Object.fromEntries(Object.entries(named()).filter(([other]) => other !== name));
  return write(NAMED, left) && choose("");
}

export function showBasket(root = document) {
  const ids = new Set(basket());
  const count = document.querySelector("[data-basket-count]");
  if (count) {
    count.textContent = ids.size;
    count.hidden = ids.size === 0;
  }
  for (const button of root.querySelectorAll("[data-pick]")) {
    button.setAttribute("aria-pressed", String(ids.has(button.dataset.pick)));
  }
}

addEventListener("storage", (event) => event.key?.startsWith("ogaart.") && showBasket());
addEventListener("pageshow", () => showBasket());
