// The credits page fills itself from the basket, and follows what is chosen on it.
import { basket } from "./basket.js";

const page = document.querySelector("[data-credits]");
if (!page.hasAttribute("data-given") && basket().length) {
  location.replace(`/credits?ids=${basket().slice(0, 400).join(",")}`);
}
document.addEventListener("change", (event) => event.target.matches("[data-submit]") && event.target.form.requestSubmit());
document.addEventListener("ogaart:dropped", (event) => {
  const left = new URL(location.href);
  const shown = (left.searchParams.get("ids") || "").split(",").filter((id) => id && id !== event.detail);
  if (shown.length) left.searchParams.set("ids", shown.join(","));
  else left.search = "";
  location.replace(left.href);
});
