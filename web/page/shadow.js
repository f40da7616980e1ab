/** The shadow under whatever stands or lies on the ground. @module */

/** @param {CanvasRenderingContext2D} pen in metres, at the foot @param {number} wide half of it, metres @param {number} deep half of it */
export function drawShadow(pen, wide, deep) {
  pen.fillStyle = "#08101866";
  pen.beginPath();
  pen.ellipse(0.03, 0.02, wide, deep, 0, 0, 7);
  pen.fill();
}
