// The grid of a sheet, found from its pixels: cells between empty gutters, with edges for borders, or with margins. Pure.
export const SIZES = [8, 16, 24, 32, 48, 64, 96, 128];

const QUIET_BORDERS = 7; // fewer may be quiet by chance

/** Per column (or row): whether it is empty, and how much it differs from the one before. */
function profile({ data, width, height }, across) {
  const length = across ? width : height;
  const depth = across ? height : width;
  const filled = new Uint8Array(length);
  const change = new Float64Array(length);
  for (let a = 0; a < length; a++) {
    for (let b = 0; b < depth; b++) {
      const i = 4 * (across ? b * width + a : a * width + b);
      const alpha = data[i + 3];
      if (alpha > 7) filled[a] = 1;
      if (!a) continue;
      const j = i - 4 * (across ? 1 : width);
      const before = data[j + 3];
      for (let c = 0; c < 3; c++) change[a] += Math.abs((data[i + c] * alpha - data[j + c] * before) / 255);
      change[a] += Math.abs(alpha - before);
    }
  }
  return { length, filled, change };
}

/** How well cells of a size divide one direction; 0 where they do not. */
function score({ length, filled, change }, size, spacing) {
  const step = size + spacing;
  const count = (length + spacing) / step;
  if (!Number.isInteger(count) || count < 2) return 0;
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const borders = [];
  const inside = [];
  let [emptyBorders, emptyInside] = [0, 0];
  for (let a = 1; a < length; a++) {
    const at = a % step;
    const border = spacing ? at >= size || at === 0 : at === 0;
    (border ? borders : inside).push(change[a]);
    if (border && !(filled[a] && filled[a - 1])) emptyBorders++;
    if (!border && !filled[a]) emptyInside++;
  }
  const filledCells = new Set();
  for (let a = 0; a < length; a++) if (filled[a]) filledCells.add(Math.floor(a / step));
  if (filledCells.size < 2) return 0; // one sprite beside much that is empty
  const gutters = emptyBorders / borders.length;
  if (spacing && gutters < 1) return 0;
  if (gutters >= 0.95 && emptyInside / inside.length < 0.7) return 4 + spacing - size / 1000;
  // One or two columns may differ by chance: edges count where there are several borders.
  const ratio = mean(borders) / Math.max(1e-6, mean(inside));
  if (borders.length >= 3 && ratio >= 1.5) return Math.min(ratio, 3.9);
  // Sprites that end before the borders of their cells, a few aside: hardly anything changes there. So it is at every
  // second border too, and the smallest cell is meant.
  // Where hardly anything changes anywhere, in flat tiles, that says nothing.
  const quiet = ratio <= 0.5 && median(borders) <= 0.5 * median(inside);
  return borders.length >= QUIET_BORDERS && median(inside) && quiet ? 1.4 - size / 1000 : 0;
}

/** The grid of a sheet {width, height, spacing, left, top}; null where none is regular. */
export function findGrid(pixels) {
  const columns = profile(pixels, true);
  const rows = profile(pixels, false);
  let best = null;
  for (const spacing of [0, 1, 2]) {
    const across = SIZES.map((size) => [size, score(columns, size, spacing)]).filter(([, found]) => found);
    const down = SIZES.map((size) => [size, score(rows, size, spacing)]).filter(([, found]) => found);
    // A strip is as high as one cell, or as wide.
    if (SIZES.includes(pixels.height)) down.push([pixels.height, 0.1]);
    if (SIZES.includes(pixels.width)) across.push([pixels.width, 0.1]);
    for (const [width, x] of across) {
      for (const [height, y] of down) {
        // Of a strip there is one direction to tell it by: only gutters are sure enough.
        if (Math.min(x, y) <= 0.1 && Math.max(x, y) < 3.8) continue;
        const total = x + y + (width === height ? 1 : 0);
        if (!best || total > best.total) best = { total, width, height, spacing, left: 0, top: 0 };
      }
    }
  }
  return best;
}

/** The cell that a pixel is in: {left, top, width, height}; null between cells. */
export function cellAt(grid, x, y) {
  const place = (value, start, size) => {
    const step = size + grid.spacing;
    const nth = Math.floor((value - start) / step);
    return nth >= 0 && value - start - nth * step < size ? start + nth * step : null;
  };
  const [left, top] = [place(x, grid.left, grid.width), place(y, grid.top, grid.height)];
  return left === null || top === null ? null : { left, top, width: grid.width, height: grid.height };
}

/** The grid that stored cells lie in, nearly: the size of the first one, where they begin, and the gap between two. */
export function gridOf(stored) {
  const [first] = stored;
  const beside = stored.find((cell) => cell.top === first.top && cell.left > first.left);
  const gap = beside ? beside.left - first.left - first.width : 0;
  const { width, height } = first;
  return { width, height, left: first.left, top: first.top, spacing: gap > 0 && gap < width ? gap : 0 };
}

/** The stored cell that a pixel is in, the smallest where they overlap; null between cells. */
export function storedCellAt(stored, x, y) {
  const inside = stored.filter(
    (cell) => x >= cell.left && y >= cell.top && x < cell.left + cell.width && y < cell.top + cell.height,
  );
  return inside.sort((a, b) => a.width * a.height - b.width * b.height)[0] || null;
}

/** All whole cells of a picture, row by row, without the empty ones. */
export function cells(grid, pixels) {
  const found = [];
  for (let top = grid.top; top + grid.height <= pixels.height; top += grid.height + grid.spacing) {
    for (let left = grid.left; left + grid.width <= pixels.width; left += grid.width + grid.spacing) {
      const cell = { left, top, width: grid.width, height: grid.height };
      if (!isEmpty(cell, pixels)) found.push(cell);
    }
  }
  return found;
}

function isEmpty({ left, top, width, height }, pixels) {
  for (let y = top; y < top + height; y++) {
    for (let x = left; x < left + width; x++) if (pixels.data[4 * (y * pixels.width + x) + 3] > 7) return false;
  }
  return true;
}
