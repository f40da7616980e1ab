/** The quiet picture behind the first screens. @module */

import { canvas } from "./dom.js";
import { field } from "./hash.js";

/** Draws hills of a land that nobody has seen yet. */
export function drawBackdrop() {
  const sheet = canvas("backdrop");
  const [width, height] = [sheet.clientWidth, sheet.clientHeight];
  if (width === 0) return;
  [sheet.width, sheet.height] = [width, height];
  const pen = sheet.getContext("2d");
  if (!pen) return;
  const sky = pen.createLinearGradient(0, 0, 0, height);
  sky.addColorStop(0, "#0d1218");
  sky.addColorStop(1, "#1b2a2f");
  pen.fillStyle = sky;
  pen.fillRect(0, 0, width, height);
  for (let n = 0; n < 90; n++) {
    const [x, y] = [field(n * 7, 3, 1) * width, field(n * 5, 9, 1) * height * 0.55];
    pen.fillStyle = `rgb(230 236 240 / ${0.1 + field(n, n, 1) * 0.4})`;
    pen.fillRect(x, y, 1.5, 1.5);
  }
  for (let hill = 0; hill < 5; hill++) {
    pen.fillStyle = `hsl(${175 - hill * 16} ${16 + hill * 3}% ${12 + hill * 2.2}%)`;
    pen.beginPath();
    pen.moveTo(0, height);
    for (let x = 0; x <= width + 8; x += 8) {
      const rise = field(x + hill * 977, hill * 131, 180) * 0.24 + field(x + hill * 431, hill * 57, 47) * 0.05;
      pen.lineTo(x, height * (0.62 + hill * 0.1 - rise));
    }
    pen.lineTo(width, height);
    pen.fill();
  }
}
