// The slider that uncovers the found picture under the visitor's.
for (const figure of document.querySelectorAll("[data-compare]")) {
  const slider = figure.querySelector("input");
  const over = figure.querySelector(".over");
  const mirrored = over.classList.contains("mirrored"); // then its own right side is shown on the left
  slider.addEventListener("input", () => {
    const hidden = `${100 - Number(slider.value)}%`;
    over.style.clipPath = mirrored ? `inset(0 0 0 ${hidden})` : `inset(0 ${hidden} 0 0)`;
  });
}
