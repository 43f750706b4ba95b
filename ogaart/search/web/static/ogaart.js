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
    say("This browser stores no data for this site: allow it in its settings");
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
    if (pick.hasAttribute("data-drop")) {
      const left = new URL(location.href);
      const shown = (left.searchParams.get("ids") || "").split(",").filter((other) => other !== id);
      if (shown.length && shown[0]) left.searchParams.set("ids", shown.join(","));
      else left.search = "";
      location.replace(left.href);
      return;
    }
    say(had ? "Removed from the credits" : "Kept for the credits");
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

// -- The credits page fills itself from the basket, and follows what is chosen on it --------------------------------

const credits = document.querySelector("[data-credits]");
if (credits && !credits.hasAttribute("data-given") && basket().length) {
  location.replace(`/credits?ids=${basket().slice(0, 400).join(",")}`);
}
document.addEventListener("change", (event) => event.target.matches("[data-submit]") && event.target.form.requestSubmit());

// -- A part of a picture ------------------------------------------------------------------------------------------

const cropper = document.querySelector("[data-cropper]");
if (cropper) {
  const stage = cropper.querySelector("[data-crop-stage]");
  const image = cropper.querySelector("[data-crop-image]");
  const frame = cropper.querySelector("[data-crop-frame]");
  const fields = Object.fromEntries([...cropper.querySelectorAll("[data-crop-field]")].map((f) => [f.dataset.cropField, f]));
  let box = { left: 0.2, top: 0.2, width: 0.6, height: 0.6 };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const show = () => {
    box.width = clamp(box.width, 0.02, 1);
    box.height = clamp(box.height, 0.02, 1);
    box.left = clamp(box.left, 0, 1 - box.width);
    box.top = clamp(box.top, 0, 1 - box.height);
    for (const [name, value] of Object.entries(box)) {
      frame.style[name] = `${100 * value}%`;
      if (document.activeElement !== fields[name]) fields[name].value = Math.round(100 * value);
    }
  };
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-crop]");
    if (!opener) return;
    image.src = opener.dataset.crop;
    const given = (opener.dataset.cropBox || "").split(",").map(Number);
    box = given.length === 4 ? { left: given[0], top: given[1], width: given[2], height: given[3] } : { left: 0.2, top: 0.2, width: 0.6, height: 0.6 };
    show(); // before the dialog moves the focus into a field: that one is not written to
    cropper.showModal();
  });
  let start = null;
  const at = (event) => {
    const area = stage.getBoundingClientRect();
    return { x: clamp((event.clientX - area.left) / area.width, 0, 1), y: clamp((event.clientY - area.top) / area.height, 0, 1) };
  };
  stage.addEventListener("pointerdown", (event) => {
    start = at(event);
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!start) return;
    const now = at(event);
    box = { left: Math.min(start.x, now.x), top: Math.min(start.y, now.y), width: Math.abs(now.x - start.x), height: Math.abs(now.y - start.y) };
    show();
  });
  stage.addEventListener("pointerup", () => (start = null));
  for (const [name, field] of Object.entries(fields)) {
    field.addEventListener("input", () => {
      box[name] = Number(field.value) / 100;
      show();
    });
  }
  cropper.querySelector("[data-crop-apply]").addEventListener("click", () => {
    const sides = [box.left, box.top, box.width, box.height].map((side) => Number(side.toFixed(3)));
    const address = new URL(location.pathname.startsWith("/search") ? location.href : "/search", location.href);
    const id = location.pathname.match(/^\/image\/(\d+)$/);
    if (id) address.searchParams.set("like", id[1]);
    address.searchParams.set("crop", sides.join(","));
    address.searchParams.delete("page");
    location.href = address.href;
  });
}

showBasket();
export { basket, keep, say };
