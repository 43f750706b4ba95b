// What makes the page quicker to use; everything it needs works without this file as well, except the basket.
document.documentElement.classList.add("scripted");

const toast = document.querySelector("[data-toast]");
let toastTimer;
function say(text) {
  toast.textContent = text;
  toast.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.classList.remove("shown"), 2600);
}

// -- The basket: ids in this browser, nowhere else ---------------------------------------------------------------

const KEY = "ogaart.basket";
function basket() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) || "[]");
    return Array.isArray(kept) ? kept.filter((id) => /^\d{1,19}$/.test(id)) : [];
  } catch {
    return [];
  }
}
function keep(ids) {
  try {
    localStorage.setItem(KEY, JSON.stringify([...new Set(ids)]));
  } catch {
    say("This browser keeps nothing: allow it to store data for this site");
  }
  showBasket();
}
function showBasket(root = document) {
  const ids = basket();
  const count = document.querySelector("[data-basket-count]");
  if (count) {
    count.textContent = ids.length;
    count.hidden = ids.length === 0;
  }
  for (const button of root.querySelectorAll("[data-pick]")) {
    button.setAttribute("aria-pressed", String(ids.includes(button.dataset.pick)));
  }
}
window.addEventListener("storage", (event) => event.key === KEY && showBasket());

// -- Clicks ------------------------------------------------------------------------------------------------------

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    try {
      await navigator.clipboard.writeText(copy.dataset.copy);
      say("Credit line copied");
    } catch {
      say(copy.dataset.copy);
    }
    return;
  }
  const pick = event.target.closest("[data-pick]");
  if (pick) {
    const ids = basket();
    const id = pick.dataset.pick;
    const had = ids.includes(id);
    keep(had ? ids.filter((other) => other !== id) : [...ids, id]);
    say(had ? "Taken out of the credits" : "Kept for the credits");
    return;
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.closest("input, textarea, select")) {
    const words = document.querySelector(".words input");
    if (words) {
      event.preventDefault();
      words.focus();
      words.select();
    }
  }
});

// -- A picture: chosen, dropped or pasted, it goes through the same form -------------------------------------------

const form = document.querySelector("[data-search]");
if (form) {
  const file = form.querySelector("[data-file]");
  const send = form.querySelector("[data-send-picture]");
  const submitPicture = () => {
    form.classList.add("busy");
    form.requestSubmit(send);
  };
  const take = (picked) => {
    const transfer = new DataTransfer();
    transfer.items.add(picked);
    file.files = transfer.files;
    submitPicture();
  };
  file.addEventListener("change", () => file.files.length && submitPicture());
  form.addEventListener("submit", (event) => {
    form.classList.add("busy");
    // Empty fields and defaults stay out of the address.
    if (event.submitter === send) return;
    for (const input of form.elements) {
      if (input.name && !input.value && input.type !== "file") input.disabled = true;
    }
    file.disabled = true;
  });
  window.addEventListener("pageshow", () => {
    form.classList.remove("busy");
    for (const input of form.elements) input.disabled = false;
    if (file.value) file.value = "";
  });
  let depth = 0;
  const carries = (event) => [...(event.dataTransfer?.types || [])].some((type) => type === "Files" || type === "text/uri-list");
  document.addEventListener("dragenter", (event) => {
    if (carries(event) && ++depth) document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (carries(event) && --depth <= 0) document.body.classList.remove("dropping");
  });
  document.addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    depth = 0;
    document.body.classList.remove("dropping");
    if (!carries(event)) return;
    event.preventDefault();
    const picture = [...event.dataTransfer.files].find((one) => one.type.startsWith("image/") || one.size);
    if (picture) return take(picture);
    const url = event.dataTransfer.getData("text/uri-list").split("\n").find((line) => /^https?:/.test(line));
    if (url) {
      form.querySelector("[name=q]").value = url;
      form.requestSubmit();
    }
  });
  document.addEventListener("paste", (event) => {
    const picture = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (picture) {
      event.preventDefault();
      take(picture);
    }
  });
  // Radios apply at once: there is nothing more to choose. Ticks wait for Apply.
  form.addEventListener("toggle", (event) => {
    if (!event.target.open) return;
    for (const menu of form.querySelectorAll("details.menu[open]")) if (menu !== event.target) menu.open = false;
  }, true);
}

// -- More: the next page is appended; the pager stays for everybody else ------------------------------------------

document.addEventListener("click", async (event) => {
  const more = event.target.closest("[data-more]");
  if (!more || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  more.textContent = "Loading …";
  try {
    const answer = await fetch(more.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const grid = document.querySelector("[data-grid]");
    const fresh = [...(page.querySelector("[data-grid]")?.children || [])];
    grid.append(...fresh);
    document.querySelector("[data-pager]").replaceWith(page.querySelector("[data-pager]"));
    showBasket();
    fresh[0]?.querySelector("a")?.focus({ preventScroll: true });
  } catch {
    location.href = more.href;
  }
});

showBasket();
export { basket, keep, say };
