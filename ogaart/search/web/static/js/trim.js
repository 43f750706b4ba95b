// Pictures in tiles: transparent borders are cut off, and pixel art is shown at whole-number scale for the real tile.
const boxes = new WeakMap();
const canvas = document.createElement("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const ROOM = 0.92; // of a tile's side, as in ogaart.css
const GROWTH = 1.5; // painted art blurs beyond, as in template_filters.py
const BUDGET = 4; // milliseconds of a frame

/** The box of what is visible: left, top, width, height in pixels of the thumbnail. */
function visibleBox(image) {
  const { naturalWidth: width, naturalHeight: height } = image;
  canvas.width = width;
  canvas.height = height;
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[4 * (y * width + x) + 3] < 8) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
    }
  }
  return right < 0 ? [0, 0, width, height] : [left, top, right - left + 1, bottom - top + 1];
}

/** Where a picture goes in its tile: [picture, styles]; null where it stays as it is. Changes nothing. */
function fitted(image) {
  const tile = image.closest(".tile");
  if (!tile || tile.classList.contains("stage") || !image.naturalWidth || !tile.clientWidth) return null;
  if (!boxes.has(image)) {
    const whole = [0, 0, image.naturalWidth, image.naturalHeight];
    boxes.set(image, image.hasAttribute("data-trim") ? visibleBox(image) : whole);
  }
  const [left, top, width, height] = boxes.get(image);
  const side = tile.clientWidth;
  let scale = (ROOM * side) / Math.max(width, height);
  if (image.classList.contains("crisp") && scale >= 1) scale = Math.floor(scale);
  else if (!image.classList.contains("crisp")) scale = Math.min(scale, GROWTH);
  return [
    image,
    {
      width: `${image.naturalWidth * scale}px`,
      height: `${image.naturalHeight * scale}px`,
      left: `${Math.round(side / 2 - (left + width / 2) * scale)}px`,
      top: `${Math.round(side / 2 - (top + height / 2) * scale)}px`,
    },
  ];
}

const waiting = new Set();

/** Fit those that wait, as many as a frame has time for, so that pictures appear meanwhile. First the tiles are measured,
 * then the pictures placed: the page is laid out once a frame and not for each of them. */
function fitWaiting() {
  const end = performance.now() + BUDGET;
  const placed = [];
  for (const image of waiting) {
    waiting.delete(image);
    placed.push(fitted(image));
    if (performance.now() > end) break;
  }
  for (const [image, styles] of placed.filter(Boolean)) {
    image.classList.add("trimmed");
    Object.assign(image.style, styles);
  }
  if (waiting.size) requestAnimationFrame(fitWaiting);
}

function fitSoon(image) {
  if (!waiting.size) requestAnimationFrame(fitWaiting);
  waiting.add(image);
}

export function fitAll(root = document) {
  for (const image of root.querySelectorAll(".tile img[data-trim], .tile img.crisp")) {
    if (image.complete) fitSoon(image);
    else image.addEventListener("load", () => fitSoon(image), { once: true });
  }
}

let width = 0;
new ResizeObserver(() => {
  if (document.body.clientWidth === width) return;
  width = document.body.clientWidth;
  fitAll();
}).observe(document.body);
document.addEventListener("ogaart:look", () => fitAll());
document.addEventListener("ogaart:added", () => fitAll());
document.addEventListener("toggle", (event) => event.target.open && fitAll(event.target), true);
