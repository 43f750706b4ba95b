// What the viewer shows: the picture at its zoom with hard pixels, the grid over it, and the box that is chosen.
/**
 * @param {HTMLCanvasElement} canvas as large as the stage
 * @param state image, zoom, x, y (the picture's corner on the stage), grid or cells, box
 */
export function draw(canvas, { image, width, height, zoom, x, y, grid, cells, box }) {
  const ratio = devicePixelRatio || 1;
  const { clientWidth, clientHeight } = canvas;
  canvas.width = Math.round(clientWidth * ratio);
  canvas.height = Math.round(clientHeight * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.imageSmoothingEnabled = zoom < 1;
  context.drawImage(image, x, y, width * zoom, height * zoom);
  context.strokeStyle = "rgb(127 127 127 / .55)";
  context.strokeRect(x - 0.5, y - 0.5, width * zoom + 1, height * zoom + 1);
  if (cells) drawCells(context, cells, { zoom, x, y });
  else if (grid) drawGrid(context, grid, { width, height, zoom, x, y });
  if (box) drawBox(context, box, { zoom, x, y });
}

function drawGrid(context, grid, { width, height, zoom, x, y }) {
  context.beginPath();
  const lines = (start, size, end, add) => {
    for (let at = start; at <= end; at += size + grid.spacing) {
      add(at);
      if (grid.spacing && at + size <= end) add(at + size);
    }
  };
  const sharp = (value) => Math.round(value) + 0.5;
  lines(grid.left, grid.width, width, (at) => {
    context.moveTo(sharp(x + at * zoom), y);
    context.lineTo(sharp(x + at * zoom), y + height * zoom);
  });
  lines(grid.top, grid.height, height, (at) => {
    context.moveTo(x, sharp(y + at * zoom));
    context.lineTo(x + width * zoom, sharp(y + at * zoom));
  });
  strokeTwice(context);
}

function drawCells(context, cells, { zoom, x, y }) {
  context.beginPath();
  for (const cell of cells) {
    const [left, top] = [Math.round(x + cell.left * zoom) + 0.5, Math.round(y + cell.top * zoom) + 0.5];
    context.rect(left, top, Math.round(cell.width * zoom), Math.round(cell.height * zoom));
  }
  strokeTwice(context);
}

/** In two colours, so that lines are seen on light and on dark pictures. */
function strokeTwice(context) {
  context.strokeStyle = "rgb(255 255 255 / .75)";
  context.stroke();
  context.setLineDash([3, 3]);
  context.strokeStyle = "rgb(0 0 0 / .8)";
  context.stroke();
  context.setLineDash([]);
}

function drawBox(context, box, { zoom, x, y }) {
  const sides = [x + box.left * zoom, y + box.top * zoom, box.width * zoom, box.height * zoom];
  context.lineWidth = 4;
  context.strokeStyle = "#000";
  context.strokeRect(...sides);
  context.lineWidth = 2;
  context.strokeStyle = "#ff9166";
  context.strokeRect(...sides);
  context.lineWidth = 1;
}
