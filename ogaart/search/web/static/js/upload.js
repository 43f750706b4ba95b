// A picture: chosen, dropped or pasted, it is sent as it is, with its progress, and the answer leads to its search.
import { basket } from "./basket.js";
import { shrink } from "./shrink.js";
import { say } from "./toast.js";

const form = document.querySelector("[data-search]");
const further = document.querySelector("[data-further]");
const furtherOpen = () => Boolean(further?.closest("details").open);

let sending = false;
let found = null; // where the picture's search is, once the server said so

/** Go to the picture's search; words that were typed while the picture was on its way narrow it. */
function follow() {
  const words = form.querySelector("[name=q]").value.trim();
  if (words) found.searchParams.set("q", words);
  location.href = found.href;
}

/** Send a form with its pictures; whatever it says, the page follows. */
async function send(from, button) {
  const data = new FormData(from, button);
  const picture = data.get("picture");
  const { maxBytes, maxPixels } = form.dataset;
  const bar = document.querySelector("[data-progress]");
  sending = true;
  form.classList.add("busy");
  bar.hidden = false;
  bar.removeAttribute("value");
  const smaller = await shrink(picture, Number(maxBytes), Number(maxPixels));
  if (smaller) {
    data.set("picture", smaller, "picture.webp");
    data.set("shrunk", "yes");
  }
  const request = new XMLHttpRequest();
  request.open("POST", from.action);
  request.setRequestHeader("Accept", "application/json, text/html");
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) bar.value = event.loaded / event.total;
  });
  request.upload.addEventListener("load", () => bar.removeAttribute("value")); // sent: the search begins
  request.addEventListener("load", () => {
    if (request.status === 200) {
      found = new URL(JSON.parse(request.responseText).location, location.href);
      follow();
      return;
    }
    rest();
    refused(request.responseText);
  });
  request.addEventListener("error", () => {
    rest();
    say("No connection: the picture was not sent. Try again");
  });
  request.send(data);
}

/** Show the server's own page on what is wrong, in place of this one's. */
function refused(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const problem = page.querySelector("main .empty");
  if (!problem) return say("The server refused the picture");
  const main = document.querySelector("main");
  // On the first page the search bar is in the page: it stays, for another picture.
  const kept = main.contains(form) ? [form] : [];
  main.replaceChildren(...kept, document.importNode(problem, true));
  main.classList.add("refused");
  scrollTo(0, 0);
}

function rest() {
  sending = false;
  found = null;
  form.classList.remove("busy");
  document.querySelector("[data-progress]").hidden = true;
  for (const input of form.elements) input.disabled = false;
  const file = form.querySelector("[data-file]");
  if (file.value) file.value = "";
}

function put(input, picked) {
  const transfer = new DataTransfer();
  transfer.items.add(picked);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

/** A picture that was dropped or pasted: for "another picture" where that is open, else a new search. */
const take = (picked) => put((furtherOpen() ? further : form).querySelector("input[type=file]"), picked);

function listen() {
  const button = form.querySelector("[data-send-picture]");
  form.querySelector("[data-file]").addEventListener("change", (event) => event.target.files.length && send(form, button));
  form.addEventListener("submit", (event) => {
    if (sending) {
      event.preventDefault();
      if (found) follow();
      return;
    }
    if (event.submitter === button) {
      event.preventDefault();
      if (form.querySelector("[data-file]").files.length) send(form, button);
      return;
    }
    form.classList.add("busy");
    // Empty fields and defaults stay out of the address.
    for (const input of form.elements) {
      if (input.name && !input.value && input.type !== "file") input.disabled = true;
    }
    const weights = [...form.querySelectorAll("[data-side]")];
    if (weights.every((input) => input.value === "1")) for (const input of weights) input.disabled = true;
    form.querySelector("[data-file]").disabled = true;
  });
  addEventListener("pageshow", rest);
  further?.addEventListener("submit", (event) => {
    event.preventDefault();
    send(further, event.submitter);
  });
  further?.closest("details").addEventListener("toggle", () => furtherOpen() && showKept());
  listenToDrops();
}

function listenToDrops() {
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
}

/** Kept pictures as further examples. */
function showKept() {
  const list = further.querySelector("[data-kept]");
  const ids = basket().slice(-12);
  list.replaceChildren(
    ...ids.map((id) => {
      const item = document.createElement("li");
      const image = Object.assign(new Image(56, 56), { src: `/thumb/${id}.webp`, alt: "A picture that you kept" });
      item.append(image, link(id, "like", "+", "More like this"), link(id, "unlike", "−", "Less like this"));
      return item;
    }),
  );
  further.querySelector("[data-kept-title]").hidden = !ids.length;
}

function link(id, role, text, label) {
  const target = new URL(location.href);
  target.searchParams.append(role, id);
  target.searchParams.delete("page");
  return Object.assign(document.createElement("a"), { href: target.href, textContent: text, title: label, ariaLabel: label });
}

if (form) listen();
