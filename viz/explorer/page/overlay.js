// What stands above the regions: the region under the cursor, markers, a ruler, and the colour scale. On a 2-D canvas,
// so that a saved PNG has it too; the SVG draws the same lists.

import { short, ticks } from "./quantities.js";

const INK = "#1c1c24";
const FONT = "12px system-ui, 'Segoe UI', sans-serif";

/** Draw everything above the regions. */
export function drawOverlay(canvas, camera, ratio, { scene, hovered, markers, legend }) {
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, camera.width, camera.height);
  pen.font = FONT;
  if (scene && hovered >= 0) outline(pen, camera, scene, hovered);
  for (const marker of markers) drawMarker(pen, camera.toScreen(marker.at), marker);
  drawRuler(pen, camera);
  if (legend) drawLegend(pen, camera, legend);
}

/** The corners of a region on the screen. */
export function cornersOnScreen(camera, scene, region) {
  const corners = [];
  for (let k = scene.offsets[region]; k < scene.offsets[region + 1]; k++) {
    const v = 2 * scene.loops[k];
    const u = [scene.centre[0] + scene.scale * scene.vertices[v], scene.centre[1] + scene.scale * scene.vertices[v + 1]];
    corners.push(camera.toScreen(u));
  }
  return corners;
}

function outline(pen, camera, scene, region) {
  pen.beginPath();
  for (const [x, y] of cornersOnScreen(camera, scene, region)) pen.lineTo(x, y);
  pen.closePath();
  for (const [colour, width] of [["#000000c0", 4], ["#ffffff", 2]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.lineJoin = "round";
    pen.stroke();
  }
}

function drawMarker(pen, [x, y], { label, chosen }) {
  pen.beginPath();
  if (chosen) {
    for (const [dx, dy] of [[-9, 0], [-3, 0], [3, 0], [9, 0], [0, -9], [0, -3], [0, 3], [0, 9]]) {
      if (dx === -9 || dx === 3 || dy === -9 || dy === 3) pen.moveTo(x + dx, y + dy);
      else pen.lineTo(x + dx, y + dy);
    }
    stroke(pen, [["#ffffff", 4.5], [INK, 2]]);
    return;
  }
  pen.arc(x, y, 4.5, 0, 2 * Math.PI);
  pen.fillStyle = "#ffffff";
  stroke(pen, [["#ffffff", 4], [INK, 1.8]]);
  pen.fill();
  haloText(pen, label, x + 9, y - 7, "bold 13px system-ui, 'Segoe UI', sans-serif");
}

function stroke(pen, lines) {
  for (const [colour, width] of lines) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }
}

function haloText(pen, text, x, y, font = FONT) {
  pen.font = font;
  pen.lineJoin = "round";
  pen.strokeStyle = "#ffffffe6";
  pen.lineWidth = 3.5;
  pen.strokeText(text, x, y);
  pen.fillStyle = INK;
  pen.fillText(text, x, y);
  pen.font = FONT;
}

/** A round length of about a fifth of the picture's width. */
export function ruler(camera) {
  const rough = 0.2 * camera.window[0];
  const size = 10 ** Math.floor(Math.log10(rough));
  const length = [5, 2, 1].map((m) => m * size).find((s) => s <= rough) ?? size;
  return { length, pixels: length / camera.unit, label: short(length) };
}

function drawRuler(pen, camera) {
  const { pixels, label } = ruler(camera);
  const [x, y] = [16, camera.height - 16];
  pen.beginPath();
  pen.moveTo(x, y - 5);
  pen.lineTo(x, y);
  pen.lineTo(x + pixels, y);
  pen.lineTo(x + pixels, y - 5);
  stroke(pen, [["#ffffffe6", 4.5], [INK, 1.6]]);
  pen.textAlign = "center";
  haloText(pen, label, x + pixels / 2, y - 7);
  pen.textAlign = "left";
}

/** The colour scale as boxes and words: what both the canvas and the SVG draw. */
export function legendParts(camera, { quantity, limits }) {
  const { palette, kind, categories } = quantity;
  const n = palette.length / 4;
  const colour = (k) => `rgb(${palette[4 * k]},${palette[4 * k + 1]},${palette[4 * k + 2]})`;
  const width = Math.min(300, camera.width - 150);
  const [left, top] = [camera.width - width - 18, camera.height - 38];
  const parts = { frame: [left - 12, top - 24, width + 24, 56], boxes: [], words: [[kind.label, left, top - 8, "start"]] };
  // Each box reaches to the right end, under the boxes after it: no seams.
  const shown = categories ? Math.min(n, categories.length, 30) : n;
  for (let k = 0; k < shown; k++) parts.boxes.push([left + (k * width) / shown, top, width - (k * width) / shown, 10, colour(k)]);
  if (categories) {
    for (let k = 0; k < shown; k++) parts.words.push([categories[k], left + ((k + 0.5) * width) / shown, top + 23, "middle"]);
  } else {
    for (const [value, t] of ticks(quantity, limits)) parts.words.push([short(value), left + t * width, top + 23, "middle"]);
  }
  return parts;
}

function drawLegend(pen, camera, legend) {
  const { frame, boxes, words } = legendParts(camera, legend);
  pen.fillStyle = "#ffffffe6";
  pen.beginPath();
  pen.roundRect(...frame, 6);
  pen.fill();
  for (const [x, y, w, h, colour] of boxes) {
    pen.fillStyle = colour;
    pen.fillRect(x, y, w, h);
  }
  pen.fillStyle = INK;
  for (const [text, x, y, anchor] of words) {
    pen.textAlign = anchor === "middle" ? "center" : "left";
    pen.fillText(text, x, y);
  }
  pen.textAlign = "left";
}
