// What makes the page quicker to use; everything it needs works without scripts as well, except what is kept.
import "./actions.js";
import "./menus.js";
import "./looks.js";
import "./trim.js";
import "./uses.js";
import "./more.js";
import "./grid_keys.js";
import "./unfold.js";
import "./filters.js";
import "./upload.js";
import "./suggest.js";
import "./hover_play.js";

const has = (selector) => document.querySelector(selector) !== null;
if (has("[data-compare]")) import("./compare.js");
if (has("[data-bookmarklet]")) import("./bookmarklet.js");
if (has("[data-credits]")) import("./credits_page.js");

// The viewer is loaded when it is first opened.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-view]");
  if (button && has("[data-viewer]")) (await import("./viewer/viewer.js")).open(button);
});
