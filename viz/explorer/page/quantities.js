// What a colour means: one value for each region, a scale, and a palette.

const COVERAGE = 0.98; // share of the seen area whose values the scale resolves
const SMOOTHING = 0.02; // of the scene's width: how far around a point edges count for its local complexity
const BINS = 4096;

/** The quantities by name: label, kind of scale, palette, values of a scene, and what they need. */
export const QUANTITIES = {
  slope_norm: {
    label: "slope norm ‖A‖",
    log: true,
    palette: "slope",
    known: (scene) => Boolean(scene.slope_norm),
    values: (scene) => scene.slope_norm,
  },
  class: {
    label: "predicted class",
    categories: (about) => about.classes,
    palette: "class",
    known: (scene) => Boolean(scene.class),
    values: (scene) => scene.class,
  },
  layer: {
    label: "layer of birth",
    categories: (about) => about.layers.map((_, layer) => String(layer + 1)),
    palette: "layer",
    known: () => true,
    values: (scene) => scene.birth,
  },
  area: {
    label: "area of the region",
    log: true,
    palette: "area",
    known: () => true,
    values: (scene) => scene.shapes.area,
  },
  complexity: {
    label: "local complexity: edge length per area",
    palette: "complexity",
    known: () => true,
    values: (scene) => scene.once("complexity", () => edgeDensity(scene)),
  },
};

/** The levels that are drawn (logarithms on a logarithmic scale), their limits, and the palette. */
export function quantityOf(scene, name, about) {
  return scene.once(`quantity ${name}`, () => {
    const kind = QUANTITIES[name];
    const values = kind.values(scene);
    const palette = about.palettes[kind.palette];
    if (kind.categories) {
      const categories = kind.categories(about);
      return { kind, values, levels: Float32Array.from(values), palette, categories, limits: [-0.5, palette.length / 4 - 0.5] };
    }
    const levels = kind.log ? Float32Array.from(values, (v) => (v > 0 ? Math.log(v) : -1e30)) : Float32Array.from(values);
    return { kind, values, levels, palette, limits: centralLimits(levels, scene.shapes.area) };
  });
}

/** Ends of the levels of the central 98 % of the area; what is zero on a logarithmic scale does not count. */
function centralLimits(levels, area) {
  let low = Infinity;
  let high = -Infinity;
  for (const level of levels) {
    if (level <= -1e29) continue;
    low = Math.min(low, level);
    high = Math.max(high, level);
  }
  if (!(high > low)) return Number.isFinite(low) ? [low - 0.4, low + 0.4] : [0, 1];
  const weight = new Float64Array(BINS);
  let total = 0;
  for (let r = 0; r < levels.length; r++) {
    if (levels[r] <= -1e29) continue;
    weight[Math.min(BINS - 1, Math.floor(((levels[r] - low) / (high - low)) * BINS))] += area[r];
    total += area[r];
  }
  const tail = ((1 - COVERAGE) / 2) * total;
  let [first, last] = [0, BINS - 1];
  for (let sum = weight[first]; first < last && sum < tail; ) sum += weight[++first];
  for (let sum = weight[last]; last > first && sum < tail; ) sum += weight[--last];
  const bin = (high - low) / BINS;
  return [low + first * bin, low + (last + 1) * bin];
}

/** Length of the zero sets per area around each region's centre, weighted by a Gaussian; the border counts as a mirror. */
function edgeDensity(scene) {
  const n = 192;
  const [x0, y0, x1, y1] = scene.box;
  const cell = Math.max(x1 - x0, y1 - y0) / n;
  const length = new Float64Array(n * n);
  for (let e = 0; e < scene.nEdges; e++) if (scene.edge_layer[e] >= 0) deposit(scene, e, [x0, y0], cell, n, length);
  const covered = new Float64Array(n * n);
  const middle = scene.shapes.middle;
  const cellOf = (x, y) => {
    const i = Math.min(n - 1, Math.max(0, Math.floor((x - x0) / cell)));
    return Math.min(n - 1, Math.max(0, Math.floor((y - y0) / cell))) * n + i;
  };
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const u = [x0 + (i + 0.5) * cell, y0 + (j + 0.5) * cell];
      const inside = scene.locate([scene.centre[0] + scene.scale * u[0], scene.centre[1] + scene.scale * u[1]]) >= 0;
      covered[j * n + i] = inside ? 1 : 0;
    }
  }
  blur(length, n, SMOOTHING * n);
  blur(covered, n, SMOOTHING * n);
  const perArea = 1 / (cell * cell * scene.scale);
  return Float32Array.from({ length: scene.nRegions }, (_, r) => {
    const at = cellOf(middle[2 * r], middle[2 * r + 1]);
    return covered[at] > 1e-6 ? (length[at] / covered[at]) * perArea : 0;
  });
}

/** Share the length of an edge among the cells that it runs through, by points half a cell apart. */
function deposit(scene, e, [x0, y0], cell, n, length) {
  const { vertices: v, edges } = scene;
  const a = 2 * edges[2 * e];
  const b = 2 * edges[2 * e + 1];
  const size = scene.edgeLength(e);
  const pieces = Math.max(1, Math.ceil((2 * size) / cell));
  for (let k = 0; k < pieces; k++) {
    const t = (k + 0.5) / pieces;
    const i = Math.floor((v[a] + t * (v[b] - v[a]) - x0) / cell);
    const j = Math.floor((v[a + 1] + t * (v[b + 1] - v[a + 1]) - y0) / cell);
    length[Math.min(n - 1, Math.max(0, j)) * n + Math.min(n - 1, Math.max(0, i))] += size / pieces;
  }
}

/** A Gaussian of standard deviation sigma, first along rows, then along columns. */
function blur(field, n, sigma) {
  const reach = Math.ceil(3 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-0.5 * ((k - reach) / sigma) ** 2));
  const total = weights.reduce((sum, w) => sum + w, 0);
  const line = new Float64Array(n);
  for (const [step, jump] of [[1, n], [n, 1]]) {
    for (let row = 0; row < n; row++) {
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let k = Math.max(0, i - reach); k <= Math.min(n - 1, i + reach); k++) {
          sum += weights[k - i + reach] * field[row * jump + k * step];
        }
        line[i] = sum / total;
      }
      for (let i = 0; i < n; i++) field[row * jump + i * step] = line[i];
    }
  }
}

/** Ticks of a scale between two levels: values and where they stand between 0 and 1. */
export function ticks({ kind }, [low, high]) {
  const [a, b] = kind.log ? [Math.exp(low), Math.exp(high)] : [low, high];
  const at = (value) => ((kind.log ? Math.log(value) : value) - low) / (high - low);
  if (kind.log && b / a > 4) {
    const found = [];
    for (let d = Math.floor(Math.log10(a)); d <= Math.ceil(Math.log10(b)); d++) {
      for (const m of b / a > 300 ? [1] : [1, 2, 5]) found.push(m * 10 ** d);
    }
    return found.filter((v) => v >= a && v <= b).map((v) => [v, at(v)]);
  }
  const rough = (b - a) / 4;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * size).find((s) => s >= rough);
  const found = [];
  for (let k = Math.ceil(a / step); k * step <= b * (1 + 1e-12); k++) found.push(k * step);
  return found.map((v) => [v, at(v)]);
}

/** A number in four digits, short. */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) {
    const [digits, power] = value.toExponential(2).split("e");
    return `${Number(digits)}·10${[...String(Number(power))].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("")}`;
  }
  return String(Number(value.toPrecision(4)));
}
