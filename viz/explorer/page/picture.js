// The view as a file: PNG with all pixels of the screen, SVG with every region in it as a path.

import { cornersOnScreen, legendParts, ruler } from "./overlay.js";

/** Both canvases, one above the other, as a PNG. */
export async function toPng(below, above) {
  const canvas = document.createElement("canvas");
  canvas.width = below.width;
  canvas.height = below.height;
  const pen = canvas.getContext("2d");
  pen.drawImage(below, 0, 0);
  pen.drawImage(above, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

/** The scene's regions that are seen, edges by layer, boundary, markers and scale, in pixels of the page. */
export function toSvg(scene, camera, look, { markers, legend }) {
  const { width, height } = camera;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"` +
      ` font-family="system-ui, 'Segoe UI', sans-serif" font-size="12">`,
    `<clipPath id="seen"><rect width="${width}" height="${height}"/></clipPath><g clip-path="url(#seen)">`,
    ...regionPaths(scene, camera, look),
  ];
  if (look.edges) parts.push(...edgePaths(scene, camera, look));
  if (look.boundary && scene.boundary?.length) parts.push(...boundaryPaths(scene, camera));
  parts.push("</g>", ...markers.map((marker) => markerOf(camera, marker)), rulerOf(camera), ...legendOf(camera, legend));
  return [...parts, "</svg>"].join("\n");
}

const digits = (x) => String(Math.round(x * 100) / 100);
const seen = (box, { width, height }) => box[2] >= 0 && box[3] >= 0 && box[0] <= width && box[1] <= height;

/** One path for each colour, a hairline of the same colour closing the seams between neighbours. */
function regionPaths(scene, camera, look) {
  const { quantity, limits } = look.colouring(scene);
  const n = quantity.palette.length / 4;
  const byColour = new Map();
  for (let r = 0; r < scene.nRegions; r++) {
    const corners = cornersOnScreen(camera, scene, r);
    const xs = corners.map(([x]) => x);
    const ys = corners.map(([, y]) => y);
    if (!seen([Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)], camera)) continue;
    const t = (quantity.levels[r] - limits[0]) / (limits[1] - limits[0]);
    const k = Math.min(n - 1, Math.max(0, Math.floor(t * n)));
    const path = `M${corners.map(([x, y]) => `${digits(x)} ${digits(y)}`).join("L")}Z`;
    add(byColour, k, path);
  }
  return [...byColour].map(([k, paths]) => {
    const colour = `rgb(${quantity.palette.slice(4 * k, 4 * k + 3).join(",")})`;
    return `<path fill="${colour}" stroke="${colour}" stroke-width="0.3" d="${paths.join("")}"/>`;
  });
}

function edgePaths(scene, camera, look) {
  const byLayer = new Map();
  for (let e = 0; e < scene.nEdges; e++) {
    const stroke = look.strokes.slice(4 * (scene.edge_layer[e] + 1), 4 * (scene.edge_layer[e] + 2));
    if (!stroke[3]) continue;
    const [a, b] = [0, 1].map((end) => onScreen(scene, camera, 2 * scene.edges[2 * e + end], scene.vertices));
    const box = [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])];
    if (seen(box, camera)) add(byLayer, scene.edge_layer[e], `M${a.map(digits).join(" ")}L${b.map(digits).join(" ")}`);
  }
  // What is thinner than a pixel is drawn fainter, as on the screen: viewers draw hairlines in full strength.
  const width = Math.max(0.7, look.edgeWidth(scene));
  const faint = look.edgeWidth(scene) / width;
  return [...byLayer].map(([layer, paths]) => {
    const [red, green, blue, alpha] = look.strokes.slice(4 * (layer + 1), 4 * (layer + 2));
    const colour = `rgb(${red},${green},${blue})`;
    const strength = `stroke-width="${digits(width)}" stroke-opacity="${digits((faint * alpha) / 255)}"`;
    return `<path fill="none" stroke="${colour}" ${strength} d="${paths.join("")}"/>`;
  });
}

function add(map, key, value) {
  if (!map.has(key)) map.set(key, []);
  map.get(key).push(value);
}

function onScreen(scene, camera, at, positions) {
  return camera.toScreen([
    scene.centre[0] + scene.scale * positions[at],
    scene.centre[1] + scene.scale * positions[at + 1],
  ]);
}

function boundaryPaths(scene, camera) {
  let path = "";
  for (let k = 0; k < scene.boundary.length; k += 4) {
    const [a, b] = [k, k + 2].map((at) => onScreen(scene, camera, at, scene.boundary));
    path += `M${a.map(digits).join(" ")}L${b.map(digits).join(" ")}`;
  }
  const lines = [["#101018", 3.6], ["#ffffff", 2]];
  return lines.map(
    ([colour, width]) => `<path fill="none" stroke="${colour}" stroke-width="${width}" stroke-linecap="round" d="${path}"/>`,
  );
}

function markerOf(camera, { at, label, chosen }) {
  const [x, y] = camera.toScreen(at).map(digits);
  if (chosen) return `<path d="M${x} ${y}m-9 0h6m6 0h6m-9-9v6m0 6v6" stroke="#1c1c24" stroke-width="2" fill="none"/>`;
  const dot = `<circle cx="${x}" cy="${y}" r="4.5" fill="#fff" stroke="#1c1c24" stroke-width="1.8"/>`;
  const halo = `stroke="#fff" stroke-width="3" paint-order="stroke"`;
  return `${dot}<text x="${Number(x) + 9}" y="${Number(y) - 7}" font-weight="bold" ${halo}>${escaped(label)}</text>`;
}

function rulerOf(camera) {
  const { pixels, label } = ruler(camera);
  const y = camera.height - 16;
  const line = `<path d="M16 ${y - 5}v5h${digits(pixels)}v-5" fill="none" stroke="#1c1c24" stroke-width="1.6"/>`;
  return `${line}<text x="${digits(16 + pixels / 2)}" y="${y - 7}" text-anchor="middle">${label}</text>`;
}

function legendOf(camera, legend) {
  if (!legend) return [];
  const { frame, boxes, words } = legendParts(camera, legend);
  const [x, y, w, h] = frame.map(digits);
  return [
    `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="6" fill="#fff" fill-opacity="0.9"/>`,
    ...boxes.map(([bx, by, bw, bh, colour]) => {
      const place = `x="${digits(bx)}" y="${digits(by)}" width="${digits(bw)}" height="${bh}"`;
      return `<rect ${place} fill="${colour}"/>`;
    }),
    ...words.map(([text, wx, wy, anchor]) => {
      return `<text x="${digits(wx)}" y="${digits(wy)}" text-anchor="${anchor}">${escaped(text)}</text>`;
    }),
  ];
}

function escaped(text) {
  return String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
}

/** Let the browser save a file. */
export function download(content, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
