// The credits page: fills itself from the collection that is chosen, in parts where it is long; copies, empties, creates.
import { basket, choose, create, current, keep, named, remove } from "./basket.js";
import { BLOCKED } from "./stored.js";
import { say } from "./toast.js";

const PART = 400; // pictures of one list: as many ids as fit a URL
const page = document.querySelector("[data-credits]");
const bar = page.querySelector("[data-collections]");
const form = page.querySelector("[data-credits-form]");
const shown = (new URL(location.href).searchParams.get("ids") || "").split(",").filter(Boolean);
const ids = basket();
const parts = Array.from({ length: Math.ceil(ids.length / PART) }, (_, n) => ids.slice(n * PART, (n + 1) * PART));
const at = (part) => `/credits?ids=${part.join(",")}`;
const own = shown.length > 0 && shown.every((id) => ids.includes(id));

if (!page.hasAttribute("data-given") && ids.length) location.replace(at(parts[0]));

const select = bar.querySelector("[data-collection]");
for (const name of ["", ...Object.keys(named())]) select.add(new Option(`${name || "Kept"} (${basket(name).length})`, name));
select.value = current();
select.addEventListener("change", () => choose(select.value) && location.assign("/credits"));

bar.querySelector("[data-new-collection]").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = event.target.querySelector("input").value.trim();
  if (!name) return;
  if (create(name)) location.assign("/credits");
  else say(BLOCKED);
});

const empty = bar.querySelector("[data-empty]");
empty.querySelector("span").textContent = current() ? `Delete “${current()}”` : "Empty";
empty.hidden = !ids.length && !current();
empty.addEventListener("click", () => {
  const question = current() ? `Delete the collection “${current()}” of ${ids.length} pictures?` : `Remove all ${ids.length} pictures?`;
  if (!confirm(question)) return;
  if (current() ? remove(current()) : keep([])) location.assign("/credits");
  else say(BLOCKED);
});

// Nothing is dropped from a long collection: it is shown in parts, and every export holds all of it.
if (form && own && parts.length > 1) {
  form.elements.ids.value = ids.join(",");
  form.method = "post";
  const list = bar.querySelector("[data-parts]");
  list.hidden = false;
  page.querySelector("[data-whole]").textContent = "This page’s URL holds this part of the list: save it, or share it.";
  list.append(`${ids.length} pictures, shown in parts; exports hold all of them. `);
  parts.forEach((part, n) => {
    const link = Object.assign(document.createElement("a"), { href: at(part), textContent: `Part ${n + 1}` });
    if (part[0] === shown[0]) link.ariaCurrent = "page";
    list.append(link, " ");
  });
}

bar.querySelector("[data-copy-all]")?.addEventListener("click", async () => {
  try {
    const data = new FormData(form);
    const answer = await fetch("/credits/text", { method: "POST", body: new URLSearchParams(data) });
    if (!answer.ok) throw new Error(String(answer.status));
    await navigator.clipboard.writeText(await answer.text());
    say("All credits copied");
  } catch {
    say("The credits could not be copied: download them as text");
  }
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-submit]")) return;
  form.elements.ids.value = shown.join(",");
  form.method = "get";
  form.requestSubmit();
});
document.addEventListener("ogaart:dropped", (event) => {
  const left = shown.filter((id) => id !== event.detail);
  const target = new URL(location.href);
  if (left.length) target.searchParams.set("ids", left.join(","));
  else target.search = "";
  location.replace(target.href);
});
