// One line at the bottom of the page that says what just happened.
const toast = document.querySelector("[data-toast]");
let timer;

export function say(text) {
  toast.textContent = text;
  toast.classList.add("shown");
  clearTimeout(timer);
  timer = setTimeout(() => toast.classList.remove("shown"), Math.max(2600, 60 * text.length));
}
