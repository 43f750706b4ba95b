// Filters and sliders show what the results were searched with, after Back too; and at least one weight has to count.
const form = document.querySelector("[data-search]");
const sliders = [...document.querySelectorAll("[data-side]")];
const message = document.querySelector("[data-nothing-counts]");

/** Whether all sliders are at 0, so that nothing could be searched: the page then says so. */
export function nothingCounts() {
  const nothing = sliders.length > 0 && sliders.every((slider) => Number(slider.value) === 0);
  if (message) message.hidden = !nothing;
  if (nothing) message.closest("details").open = true;
  return nothing;
}

for (const slider of sliders) slider.addEventListener("input", nothingCounts);

// Before the listeners that send the form.
form?.addEventListener(
  "submit",
  (event) => {
    if (!nothingCounts()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

// Browsers bring a page back with what was chosen but belongs to the next one.
addEventListener("pageshow", (event) => {
  const returned = event.persisted || performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  if (!returned || location.pathname !== "/search") return;
  for (const input of form?.querySelectorAll(".filters input") || []) {
    if (input.type === "checkbox" || input.type === "radio") input.checked = input.defaultChecked;
    else input.value = input.defaultValue;
  }
  nothingCounts();
});
