// Suggestions under the words, as a combobox: arrows move, Enter chooses, Escape closes; the words stay as typed.
import { nothingCounts } from "./filters.js";

const MOST = 8;
const LONGEST = 100; // characters that the API completes
const PAUSE = 90; // milliseconds without a key before a request is sent
const KINDS = { word: "", tag: "tag", author: "author", entry: "entry" };
const form = document.querySelector("[data-search]");
const input = form?.querySelector("[name=q]");
const known = new Map(); // by URL, of this page's life
let list = null;
let spoken = null;
let found = [];
let at = -1;
let timer = 0;
let request = null;

const element = (name, attributes, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

function build() {
  list = element("ul", { class: "suggestions", id: "suggestions", role: "listbox", "aria-label": "Suggestions", hidden: "" });
  spoken = element("span", { class: "hidden-visually", "aria-live": "polite" });
  form.querySelector(".bar").append(list, spoken);
  const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-controls": "suggestions", "aria-expanded": "false" };
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the words keep the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(found[[...list.children].indexOf(option)]);
  });
}

/** The filters that are set in the form: what they leave nothing of is not suggested. */
function filters() {
  const names = form.dataset.filters.split(" ");
  return [...new FormData(form)].filter(([name, value]) => names.includes(name) && typeof value === "string" && value.trim());
}

const narrows = () => filters().length > 0 || ["upload", "url", "like", "unlike"].some((name) => form.querySelector(`[name=${name}]`));

async function suggest() {
  const text = input.value.trim();
  if (!text || text.length > LONGEST || text.includes("://")) return close();
  const url = `/api/v1/suggestions?${new URLSearchParams([["q", input.value], ["limit", MOST], ...filters()])}`;
  request?.abort();
  request = new AbortController();
  try {
    if (!known.has(url)) {
      const answer = await fetch(url, { signal: request.signal });
      if (!answer.ok) return close();
      known.set(url, (await answer.json()).suggestions);
    }
  } catch {
    return; // typed on, or no connection: words are searched without suggestions
  }
  if (input.value.trim() === text && document.activeElement === input) show(known.get(url), text);
}

function option(one, number, text) {
  const image = element("img", { src: new URL(one.thumb_url).pathname, alt: "", width: 40, height: 40, decoding: "async" });
  image.addEventListener("load", () => image.classList.toggle("crisp", image.naturalWidth < 40 && image.naturalHeight < 40));
  const begins = one.text.toLowerCase().startsWith(text.toLowerCase());
  const typed = begins ? one.text.slice(0, text.length) : "";
  const label = element("span", { class: "suggestion-text" }, typed, element("b", {}, one.text.slice(typed.length)));
  const count = `${one.count.toLocaleString("en")} ${one.count === 1 ? "picture" : "pictures"}`;
  const kind = element("small", {}, KINDS[one.kind] ? `${KINDS[one.kind]} · ${count}` : count);
  return element("li", { role: "option", id: `suggestion-${number}`, "aria-selected": "false" }, image, label, kind);
}

function show(suggestions, text) {
  found = suggestions;
  at = -1;
  input.removeAttribute("aria-activedescendant");
  list.replaceChildren(...found.map((one, number) => option(one, number, text)));
  list.hidden = !found.length;
  input.setAttribute("aria-expanded", String(found.length > 0));
  spoken.textContent = found.length ? `${found.length} suggestions` : "";
}

function close() {
  clearTimeout(timer);
  request?.abort();
  if (list && !list.hidden) show([], "");
}

function mark(next) {
  at = ((next + 1 + found.length + 1) % (found.length + 1)) - 1; // one place beyond the list is the words themselves
  [...list.children].forEach((one, number) => one.setAttribute("aria-selected", String(number === at)));
  if (at < 0) return input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-activedescendant", `suggestion-${at}`);
  list.children[at].scrollIntoView({ block: "nearest" });
}

/** A word completes what is typed; a tag, author or entry narrows the search that there is, or leads to its own page. */
function choose(one) {
  close();
  if (one.kind === "word") {
    input.value = one.value;
    return form.requestSubmit();
  }
  if (nothingCounts()) return;
  const page = new URL(one.page_url);
  location.href = narrows() ? narrowed(one) : page.pathname + page.search;
}

/** The search of the form with one more tag, or with another author or entry; the form itself stays as it is for Back. */
function narrowed({ kind, value }) {
  const target = new URL(form.action);
  const data = new FormData(form);
  if (data.getAll("weights").every((weight) => weight === "1")) data.delete("weights");
  for (const [name, held] of data) {
    const replaced = name === "q" || (name === kind && kind !== "tag");
    if (!replaced && typeof held === "string" && held.trim()) target.searchParams.append(name, held);
  }
  target.searchParams.append(kind, value);
  return target.href;
}

function press(event) {
  if (event.isComposing || list.hidden) return;
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (steps[event.key] && !event.altKey) {
    event.preventDefault();
    mark(at + steps[event.key]);
  } else if (event.key === "Enter" && at >= 0) {
    event.preventDefault();
    choose(found[at]);
  } else if (event.key === "Escape") {
    event.preventDefault(); // the words stay
    event.stopPropagation();
    close();
  }
}

if (input) {
  build();
  input.addEventListener("input", (event) => {
    clearTimeout(timer);
    if (!event.isComposing) timer = setTimeout(suggest, PAUSE);
  });
  input.addEventListener("keydown", press);
  input.addEventListener("blur", close);
  form.addEventListener("submit", close);
}
