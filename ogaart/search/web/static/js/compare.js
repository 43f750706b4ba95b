// The slider that uncovers the found picture under the visitor's.
for (const figure of document.querySelectorAll("[data-compare]")) {
  const slider = figure.querySelector("input");
  const over = figure.querySelector(".over");
  slider.addEventListener("input", () => (over.style.clipPath = `inset(0 ${100 - Number(slider.value)}% 0 0)`));
}
