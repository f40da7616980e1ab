/** The signs of goods as small pictures, drawn once each. @module */

/** Side of a picture, pixels: enough for the largest zoom. */
const SIDE = 96;
/** @type {Map<string, HTMLCanvasElement>} */
const pictures = new Map();

/** @param {string} icon an emoji @returns {HTMLCanvasElement} it fills the picture */
export function iconPicture(icon) {
  const known = pictures.get(icon);
  if (known) return known;
  const picture = document.createElement("canvas");
  picture.width = picture.height = SIDE;
  const pen = picture.getContext("2d");
  if (!pen) throw new Error("no canvas");
  pen.font = `${SIDE * 0.78}px system-ui, "Noto Color Emoji", "Apple Color Emoji", "Segoe UI Emoji", sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillStyle = "#f0f3f6";
  pen.fillText(icon, SIDE / 2, SIDE * 0.54);
  pictures.set(icon, picture);
  return picture;
}
