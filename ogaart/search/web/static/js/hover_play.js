// A card whose collapsed pictures are numbered frames plays them while the pointer rests on it.
const PER_SECOND = 8;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let playing = null;

function stop() {
  if (!playing) return;
  clearInterval(playing.timer);
  playing.image.src = playing.first;
  playing = null;
}

async function play(card) {
  stop();
  const image = card.querySelector(".picture .tile img");
  const run = { card, image, first: image.src, timer: 0 };
  playing = run;
  const frames = await Promise.all(
    card.dataset.frames.split(" ").map(async (id) => {
      const frame = new Image();
      frame.src = `/thumb/${id}.webp`;
      await frame.decode();
      return frame.src;
    }),
  ).catch(() => []);
  if (playing !== run || frames.length < 2) return;
  let at = 0;
  run.timer = setInterval(() => (image.src = frames[at++ % frames.length]), 1000 / PER_SECOND);
}

document.addEventListener("pointerover", (event) => {
  const card = event.target.closest?.("[data-frames][data-card]");
  if (card === playing?.card || calm.matches) return;
  if (card && event.pointerType === "mouse") play(card);
  else if (playing && !playing.card.contains(event.target)) stop();
});
