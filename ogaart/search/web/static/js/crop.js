// A part of a picture, drawn in a dialog.
const cropper = document.querySelector("[data-cropper]");
if (cropper) {
  const stage = cropper.querySelector("[data-crop-stage]");
  const image = cropper.querySelector("[data-crop-image]");
  const frame = cropper.querySelector("[data-crop-frame]");
  const fields = Object.fromEntries([...cropper.querySelectorAll("[data-crop-field]")].map((f) => [f.dataset.cropField, f]));
  let box = { left: 0.2, top: 0.2, width: 0.6, height: 0.6 };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const show = () => {
    box.width = clamp(box.width, 0.02, 1);
    box.height = clamp(box.height, 0.02, 1);
    box.left = clamp(box.left, 0, 1 - box.width);
    box.top = clamp(box.top, 0, 1 - box.height);
    for (const [name, value] of Object.entries(box)) {
      frame.style[name] = `${100 * value}%`;
      if (document.activeElement !== fields[name]) fields[name].value = Math.round(100 * value);
    }
  };
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-crop]");
    if (!opener) return;
    image.src = opener.dataset.crop;
    const given = (opener.dataset.cropBox || "").split(",").map(Number);
    box = given.length === 4 ? { left: given[0], top: given[1], width: given[2], height: given[3] } : { left: 0.2, top: 0.2, width: 0.6, height: 0.6 };
    show(); // before the dialog moves the focus into a field: that one is not written to
    cropper.showModal();
  });
  let start = null;
  const at = (event) => {
    const area = stage.getBoundingClientRect();
    return { x: clamp((event.clientX - area.left) / area.width, 0, 1), y: clamp((event.clientY - area.top) / area.height, 0, 1) };
  };
  stage.addEventListener("pointerdown", (event) => {
    start = at(event);
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!start) return;
    const now = at(event);
    box = { left: Math.min(start.x, now.x), top: Math.min(start.y, now.y), width: Math.abs(now.x - start.x), height: Math.abs(now.y - start.y) };
    show();
  });
  stage.addEventListener("pointerup", () => (start = null));
  for (const [name, field] of Object.entries(fields)) {
    field.addEventListener("input", () => {
      box[name] = Number(field.value) / 100;
      show();
    });
  }
  cropper.querySelector("[data-crop-apply]").addEventListener("click", () => {
    const sides = [box.left, box.top, box.width, box.height].map((side) => Number(side.toFixed(3)));
    const address = new URL(location.pathname.startsWith("/search") ? location.href : "/search", location.href);
    const id = location.pathname.match(/^\/image\/(\d+)$/);
    if (id) address.searchParams.set("like", id[1]);
    address.searchParams.set("crop", sides.join(","));
    address.searchParams.delete("page");
    location.href = address.href;
  });
}
