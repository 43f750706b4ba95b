// Plays frames: cells of a sheet, or numbered pictures of an entry.
export class Player {
  /** @param {HTMLCanvasElement} canvas where frames are shown, at whole-number scale */
  constructor(canvas) {
    this.canvas = canvas;
    this.timer = 0;
    this.perSecond = 8;
  }

  get playing() {
    return this.timer !== 0;
  }

  /** @param {{image: CanvasImageSource, left: number, top: number, width: number, height: number}[]} frames */
  play(frames) {
    this.stop();
    this.frames = frames;
    this.at = 0;
    const longest = Math.max(...frames.map((frame) => Math.max(frame.width, frame.height)));
    this.scale = Math.max(1, Math.floor(192 / longest)) || 1;
    if (longest > 192) this.scale = 192 / longest;
    this.canvas.width = Math.max(...frames.map((frame) => frame.width)) * this.scale;
    this.canvas.height = Math.max(...frames.map((frame) => frame.height)) * this.scale;
    this.canvas.hidden = false;
    this.#show();
    this.timer = setInterval(() => this.#show(), 1000 / this.perSecond);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.canvas.hidden = true;
  }

  #show() {
    const { image, left, top, width, height } = this.frames[this.at % this.frames.length];
    this.at += 1;
    this.canvas.dataset.frame = String((this.at - 1) % this.frames.length);
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = this.scale < 1;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(image, left, top, width, height, 0, 0, width * this.scale, height * this.scale);
  }
}

export async function load(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}
