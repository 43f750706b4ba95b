// The viewer of one picture: zoom, pan, grid, a box of pixels to search with, cells and frames played.
import { say } from "../toast.js";
import { draw } from "./drawing.js";
import { load, Player } from "./playing.js";
import { cellAt, cells, findGrid, gridOf, storedCellAt } from "./sheet_grid.js";

const ZOOMS = [1 / 8, 1 / 4, 1 / 2, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
const SURE = 0.7; // confidence from which stored cells are preferred to a regular grid
const SIDES = ["left", "top", "width", "height"];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const dialog = document.querySelector("[data-viewer]");
const part = (name) => dialog.querySelector(`[data-viewer-${name}]`);
const stage = part("stage");
const canvas = part("canvas");
const fields = Object.fromEntries(SIDES.map((name) => [name, dialog.querySelector(`[data-box=${name}]`)]));
const gridFields = Object.fromEntries(
  ["width", "height", "left", "top", "spacing"].map((name) => [name, dialog.querySelector(`[data-grid-field=${name}]`)]),
);
const player = new Player(part("player"));
let state = null;

// -- What is shown

function show() {
  if (!state) return;
  const gridShown = part("grid").checked;
  draw(canvas, { ...state, grid: gridShown ? state.grid : null, cells: gridShown ? state.cells : null });
  part("zoom").textContent = state.zoom < 1 ? `1/${1 / state.zoom}` : `${state.zoom}×`;
  for (const name of SIDES) if (document.activeElement !== fields[name]) fields[name].value = state.box?.[name] ?? "";
  for (const [name, field] of Object.entries(gridFields)) {
    if (document.activeElement !== field) field.value = state.grid[name];
  }
  part("apply").disabled = !state.box;
  const size = `${state.grid.width} × ${state.grid.height}`;
  const cell = !gridShown ? "" : state.cells ? `, a sheet of ${state.cells.length} cells` : `, cells of ${size}`;
  const name = state.box?.name ? `${state.box.name}, ` : "";
  const box = state.box ? `; chosen: ${name}${SIDES.map((side) => state.box[side]).join(", ")}` : "";
  part("status").textContent = `${state.width} × ${state.height} pixels${cell}${box}`;
}

function zoomTo(zoom, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const factor = zoom / state.zoom;
  state.x = Math.round(x - (x - state.x) * factor);
  state.y = Math.round(y - (y - state.y) * factor);
  state.zoom = zoom;
  show();
}
const zoomBy = (steps, x, y) =>
  zoomTo(ZOOMS[clamp(ZOOMS.findIndex((zoom) => zoom >= state.zoom) + steps, 0, ZOOMS.length - 1)], x, y);

/** The largest zoom at which all of it is seen, in the middle. */
function fit() {
  const room = Math.min((canvas.clientWidth - 24) / state.width, (canvas.clientHeight - 24) / state.height);
  state.zoom = ZOOMS.filter((zoom) => zoom <= room).pop() ?? ZOOMS[0];
  state.x = Math.round((canvas.clientWidth - state.width * state.zoom) / 2);
  state.y = Math.round((canvas.clientHeight - state.height * state.zoom) / 2);
  show();
}

// -- The box, in whole pixels of the picture

function setBox(box) {
  if (box) {
    const width = clamp(Math.round(box.width) || 1, 1, state.width);
    const height = clamp(Math.round(box.height) || 1, 1, state.height);
    const left = clamp(Math.round(box.left) || 0, 0, state.width - width);
    const { name } = box;
    box = { left, top: clamp(Math.round(box.top) || 0, 0, state.height - height), width, height, name };
  }
  state.box = box;
  show();
}

/** The cell of a pixel: one that is stored with the picture, else one of the grid. */
const cellUnder = (x, y) => (state.cells ? storedCellAt(state.cells, x, y) : cellAt(state.grid, x, y));

function pixelAt(event) {
  const area = canvas.getBoundingClientRect();
  return {
    x: Math.floor((event.clientX - area.left - state.x) / state.zoom),
    y: Math.floor((event.clientY - area.top - state.y) / state.zoom),
  };
}

function between(a, b) {
  const [x0, x1] = [Math.min(a.x, b.x), Math.max(a.x, b.x)].map((x) => clamp(x, 0, state.width - 1));
  const [y0, y1] = [Math.min(a.y, b.y), Math.max(a.y, b.y)].map((y) => clamp(y, 0, state.height - 1));
  return { left: x0, top: y0, width: x1 - x0 + 1, height: y1 - y0 + 1 };
}

/** Search with the box; in pixels where the picture's own are known, else in shares of it. */
function search() {
  if (!state.box) return say("Choose a part first: click a cell, or draw a box");
  const { left, top, width, height } = state.box;
  const shares = [left / state.width, top / state.height, width / state.width, height / state.height];
  const target = new URL(state.search, location.href);
  const sides = state.exact ? `pixel:${[left, top, width, height].join(",")}` : shares.map((side) => Number(side.toFixed(4))).join(",");
  target.searchParams.set("crop", sides);
  target.searchParams.delete("page");
  location.href = target.href;
}

// -- Pointers: one draws or pans, two pinch

const pointers = new Map();
let drag = null;

stage.addEventListener("pointerdown", (event) => {
  if (event.target.closest("button, input, label, select")) return;
  stage.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  const pans = part("pan").checked || event.button === 1 || event.ctrlKey;
  if (pointers.size === 1) drag = { pans, start: pixelAt(event), from: event, moved: false };
  else drag = { pinch: spread(), zoom: state.zoom };
});
stage.addEventListener("pointermove", (event) => {
  if (!drag || !pointers.has(event.pointerId)) return;
  const before = pointers.get(event.pointerId);
  pointers.set(event.pointerId, event);
  if (drag.pinch) {
    const now = spread();
    const wanted = (drag.zoom * now.distance) / drag.pinch.distance;
    const zoom = ZOOMS.reduce((near, one) => (Math.abs(one - wanted) < Math.abs(near - wanted) ? one : near));
    state.x += now.x - drag.pinch.x;
    state.y += now.y - drag.pinch.y;
    Object.assign(drag.pinch, { x: now.x, y: now.y });
    return zoomTo(zoom, now.x, now.y);
  }
  drag.moved ||= Math.hypot(event.clientX - drag.from.clientX, event.clientY - drag.from.clientY) > 3;
  if (drag.pans) {
    state.x += event.clientX - before.clientX;
    state.y += event.clientY - before.clientY;
    show();
  } else if (drag.moved) setBox(between(drag.start, pixelAt(event)));
});
for (const name of ["pointerup", "pointercancel"]) {
  stage.addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    if (drag && !drag.pinch && !drag.pans && !drag.moved) {
      const { x, y } = drag.start;
      const inside = x >= 0 && y >= 0 && x < state.width && y < state.height;
      if (inside) setBox(part("grid").checked ? cellUnder(x, y) : { left: x, top: y, width: 1, height: 1 });
    }
    if (!pointers.size) drag = null;
  });
}
function spread() {
  const area = canvas.getBoundingClientRect();
  const [a, b] = [...pointers.values()];
  return {
    distance: Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
    x: (a.clientX + b.clientX) / 2 - area.left,
    y: (a.clientY + b.clientY) / 2 - area.top,
  };
}
stage.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    const area = canvas.getBoundingClientRect();
    zoomBy(event.deltaY < 0 ? 1 : -1, event.clientX - area.left, event.clientY - area.top);
  },
  { passive: false },
);

// -- Keys: arrows move the box by a pixel (a cell with Alt), Shift resizes it; without a box they pan

stage.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (step) {
    event.preventDefault();
    const [x, y] = step;
    if (!state.box) {
      state.x -= 40 * x;
      state.y -= 40 * y;
      return show();
    }
    const { left, top, width, height } = state.box;
    if (event.altKey && state.cells && !event.shiftKey) {
      const now = state.cells.findIndex((cell) => SIDES.every((name) => cell[name] === state.box[name]));
      return setBox(state.cells[clamp(now + x + y, 0, state.cells.length - 1)]);
    }
    const by = event.altKey ? [state.grid.width + state.grid.spacing, state.grid.height + state.grid.spacing] : [1, 1];
    if (event.shiftKey) return setBox({ left, top, width: width + x * by[0], height: height + y * by[1] });
    return setBox({ left: left + x * by[0], top: top + y * by[1], width, height });
  }
  const actions = {
    "+": () => zoomBy(1),
    "=": () => zoomBy(1),
    "-": () => zoomBy(-1),
    0: fit,
    g: () => part("grid").click(),
    p: () => part("play").click(),
    b: () => setBox(state.cells?.[0] || { left: 0, top: 0, width: state.grid.width, height: state.grid.height }),
    Enter: search,
  };
  if (actions[event.key]) {
    event.preventDefault();
    actions[event.key]();
  }
});

// -- Controls

for (const [name, field] of Object.entries(fields)) {
  field.addEventListener("input", () => {
    const box = state.box || { left: 0, top: 0, width: state.width, height: state.height };
    if (field.value !== "") setBox({ ...box, [name]: Number(field.value) });
  });
}
for (const [name, field] of Object.entries(gridFields)) {
  field.addEventListener("input", () => {
    const least = name === "width" || name === "height" ? 1 : 0;
    if (field.value !== "") state.grid = { ...state.grid, [name]: clamp(Math.round(Number(field.value)), least, 4096) };
    state.cells = null;
    part("grid").checked = true;
    show();
  });
}
part("size").addEventListener("change", (event) => {
  const size = Number(event.target.value);
  state.cells = size ? null : state.stored;
  const found = size ? { width: size, height: size, left: 0, top: 0, spacing: 0 } : foundGrid();
  part("grid").checked = Boolean(found);
  if (found) state.grid = found;
  else say("No regular grid was found: set its size");
  show();
});
part("grid").addEventListener("change", show);

const foundGrid = () => (state.stored ? gridOf(state.stored) : findGrid(state.pixels));
part("speed").addEventListener("input", (event) => {
  player.perSecond = clamp(Number(event.target.value) || 8, 1, 60);
  if (player.playing) player.play(player.frames);
});
part("play").addEventListener("click", async () => {
  if (player.playing) player.stop();
  else {
    const frames = await framesToPlay();
    if (frames.length < 2) say("Nothing to play: set the grid, so that cells are the frames");
    else player.play(frames);
  }
  part("play").setAttribute("aria-pressed", String(player.playing));
});

/** Numbered pictures, if there are any and no grid; else the cells of the chosen cell's row, or all of them. */
async function framesToPlay() {
  if (state.frames.length && !part("grid").checked) {
    const images = await Promise.all(state.frames.map(load));
    return images.map((image) => ({ image, left: 0, top: 0, width: image.naturalWidth, height: image.naturalHeight }));
  }
  if (!part("grid").checked) return [];
  const all = state.cells || cells(state.grid, state.pixels);
  const row = state.box && cellUnder(state.box.left, state.box.top);
  const chosen = row ? all.filter((cell) => cell.top === row.top) : all;
  return chosen.map((cell) => ({ image: state.canvas, ...cell }));
}

part("out").addEventListener("click", () => zoomBy(-1));
part("in").addEventListener("click", () => zoomBy(1));
part("fit").addEventListener("click", fit);
part("apply").addEventListener("click", search);
dialog.addEventListener("close", () => player.stop());
new ResizeObserver(() => state && show()).observe(stage);

/** The cells that the catalog has of a sheet, from the API; null where it has none, or others are plainer to see. */
async function storedCells(url, pixels) {
  try {
    const { cells: found } = await (await fetch(url)).json();
    const unsure = found.every((cell) => cell.kind !== "named" && cell.confidence < SURE);
    const rows = found.every(({ width, height }) => Math.max(width, height) > 6 * Math.min(width, height));
    if (unsure && (rows || findGrid(pixels))) return null;
    return found.length > 1 ? found.map(({ x, y, ...rest }) => ({ left: x, top: y, ...rest })) : null;
  } catch {
    return null; // the grid is found from the pixels instead
  }
}

/** Open the viewer for a button's picture: see templates/viewer.html for its attributes. */
export async function open(button) {
  const { view, width, height, search: target, box, frames, play, cells: stored } = button.dataset;
  let image;
  try {
    image = await load(view);
  } catch {
    return say("This picture could not be loaded");
  }
  const exact = Boolean(width);
  const size = { width: Number(width) || image.naturalWidth, height: Number(height) || image.naturalHeight };
  const pixels = document.createElement("canvas");
  Object.assign(pixels, size);
  const context = pixels.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, size.width, size.height);
  state = {
    ...size, exact, image, canvas: pixels, pixels: context.getImageData(0, 0, size.width, size.height),
    search: target, zoom: 1, x: 0, y: 0, box: null, frames: (frames || "").split(" ").filter(Boolean),
    grid: { width: 16, height: 16, left: 0, top: 0, spacing: 0 }, stored: null,
  }; // prettier-ignore
  if (stored) state.stored = await storedCells(stored, state.pixels);
  state.cells = state.stored;
  const found = foundGrid();
  if (found) state.grid = found;
  part("grid").checked = Boolean(found);
  part("size").value = "";
  player.stop();
  dialog.showModal();
  const given = (box || "").replace("pixel:", "").split(",").map(Number);
  if (given.length === 4) {
    const scale = box.startsWith("pixel:") ? [1, 1, 1, 1] : [size.width, size.height, size.width, size.height];
    state.box = Object.fromEntries(SIDES.map((name, n) => [name, Math.round(given[n] * scale[n])]));
  }
  fit();
  stage.focus();
  if (play !== undefined) part("play").click();
}
