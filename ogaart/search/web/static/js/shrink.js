// Makes a picture smaller that the server would refuse, and no other: exact copies and parts are found by its own pixels.
const SIDE = 2048; // of what is sent instead

/** A smaller copy as a file; null where the picture can be sent as it is, or no browser can read it. */
export async function shrink(picture, maxBytes, maxPixels) {
  let whole;
  try {
    whole = await createImageBitmap(picture);
  } catch {
    return null; // a format that only the server reads
  }
  const { width, height } = whole;
  whole.close();
  if (picture.size <= maxBytes && width * height <= maxPixels) return null;
  const scale = Math.min(1, SIDE / Math.max(width, height), Math.sqrt(maxPixels / (width * height)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(width * scale));
  canvas.height = Math.max(1, Math.floor(height * scale));
  const small = await createImageBitmap(picture, {
    resizeWidth: canvas.width,
    resizeHeight: canvas.height,
    resizeQuality: "high",
  });
  canvas.getContext("2d").drawImage(small, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/webp", 0.92));
}
