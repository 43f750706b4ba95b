// What makes the page quicker to use; everything it needs works without scripts as well, except what is kept.
import "./actions.js";
import "./menus.js";
import "./looks.js";
import "./trim.js";
import "./uses.js";
import "./more.js";
import "./grid_keys.js";
import "./upload.js";

const has = (selector) => document.querySelector(selector) !== null;
if (has("[data-credits]")) import("./credits_page.js");
if (has("[data-cropper]")) import("./crop.js");
