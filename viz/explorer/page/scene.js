// One partition in the browser: its arrays, what follows from them, and which region a point lies in.
//
// Positions are relative to `centre`, in units of `scale`: float32 then resolves 1e-7 of what is seen, however far the
// view has been zoomed in.

export class Scene {
  constructor({ header, arrays }) {
    Object.assign(this, arrays);
    this.header = header;
    this.centre = header.centre;
    this.scale = header.scale;
    this.nRegions = this.sizes.length;
    this.nEdges = this.edge_layer.length;
    this.offsets = new Uint32Array(this.nRegions + 1);
    for (let r = 0; r < this.nRegions; r++) this.offsets[r + 1] = this.offsets[r] + this.sizes[r];
    this.derived = {};
  }

  /** What is computed when somebody asks for it, once. */
  once(name, compute) {
    this.derived[name] ??= compute();
    return this.derived[name];
  }

  /** Corners of the triangles that fill the regions, as slots of the loops. */
  get fans() {
    return this.once("fans", () => {
      if (this.triangles) return this.triangles;
      const fans = new Uint32Array(3 * (this.loops.length - 2 * this.nRegions));
      for (let r = 0, n = 0; r < this.nRegions; r++) {
        const first = this.offsets[r];
        for (let k = first + 1; k + 1 < this.offsets[r + 1]; k++) {
          fans[n++] = first;
          fans[n++] = k;
          fans[n++] = k + 1;
        }
      }
      return fans;
    });
  }

  /** Areas in slice coordinates, and centres of mass in the scene's own. */
  get shapes() {
    return this.once("shapes", () => {
      const area = new Float32Array(this.nRegions);
      const middle = new Float32Array(2 * this.nRegions);
      for (let r = 0; r < this.nRegions; r++) this.measure(r, area, middle);
      return { area, middle };
    });
  }

  measure(r, area, middle) {
    const { vertices: v, loops, offsets } = this;
    const first = offsets[r];
    const last = offsets[r + 1];
    const x0 = v[2 * loops[first]];
    const y0 = v[2 * loops[first] + 1];
    let twice = 0;
    let mx = 0;
    let my = 0;
    for (let k = first + 1; k + 1 < last; k++) {
      const ax = v[2 * loops[k]] - x0;
      const ay = v[2 * loops[k] + 1] - y0;
      const bx = v[2 * loops[k + 1]] - x0;
      const by = v[2 * loops[k + 1] + 1] - y0;
      const cross = ax * by - bx * ay;
      twice += cross;
      mx += (ax + bx) * cross;
      my += (ay + by) * cross;
    }
    area[r] = (twice / 2) * this.scale ** 2;
    middle[2 * r] = x0 + (twice > 0 ? mx / (3 * twice) : 0);
    middle[2 * r + 1] = y0 + (twice > 0 ? my / (3 * twice) : 0);
  }

  /** The layer that cut the last edge of each region; -1 if only the border bounds it. */
  get birth() {
    return this.once("birth", () => {
      const birth = new Int16Array(this.nRegions).fill(-1);
      for (let r = 0; r < this.nRegions; r++) {
        for (let k = this.offsets[r]; k < this.offsets[r + 1]; k++) {
          birth[r] = Math.max(birth[r], this.edge_layer[this.loop_edges[k]]);
        }
      }
      return birth;
    });
  }

  /** Smallest and largest coordinates of the scene, in its own units. */
  get box() {
    return this.once("box", () => {
      const box = [Infinity, Infinity, -Infinity, -Infinity];
      for (let i = 0; i < this.vertices.length; i += 2) {
        box[0] = Math.min(box[0], this.vertices[i]);
        box[1] = Math.min(box[1], this.vertices[i + 1]);
        box[2] = Math.max(box[2], this.vertices[i]);
        box[3] = Math.max(box[3], this.vertices[i + 1]);
      }
      return box;
    });
  }

  /** Total length of the zero sets and total area, in slice coordinates. */
  get extent() {
    return this.once("extent", () => {
      let length = 0;
      for (let e = 0; e < this.nEdges; e++) if (this.edge_layer[e] >= 0) length += this.edgeLength(e);
      return { length: length * this.scale, area: this.shapes.area.reduce((sum, a) => sum + a, 0) };
    });
  }

  edgeLength(e) {
    const { vertices: v, edges } = this;
    const a = 2 * edges[2 * e];
    const b = 2 * edges[2 * e + 1];
    return Math.hypot(v[b] - v[a], v[b + 1] - v[a + 1]);
  }

  /** For each cell of a grid the regions whose boxes touch it, lowest first. */
  get index() {
    return this.once("index", () => {
      const n = Math.max(1, Math.min(1024, Math.ceil(Math.sqrt(this.nRegions))));
      const [x0, y0, x1, y1] = this.box;
      const cells = { n, x0, y0, across: n / (x1 - x0), up: n / (y1 - y0) };
      const ranges = new Uint16Array(4 * this.nRegions);
      const starts = new Uint32Array(n * n + 1);
      const each = (r, visit) => {
        for (let j = ranges[4 * r + 1]; j <= ranges[4 * r + 3]; j++) {
          for (let i = ranges[4 * r]; i <= ranges[4 * r + 2]; i++) visit(j * n + i);
        }
      };
      for (let r = 0; r < this.nRegions; r++) {
        ranges.set(this.cellRange(r, cells), 4 * r);
        each(r, (cell) => starts[cell + 1]++);
      }
      for (let c = 0; c < n * n; c++) starts[c + 1] += starts[c];
      const regions = new Uint32Array(starts[n * n]);
      const filled = starts.slice();
      for (let r = 0; r < this.nRegions; r++) each(r, (cell) => (regions[filled[cell]++] = r));
      return { ...cells, starts, regions };
    });
  }

  cellRange(r, { n, x0, y0, across, up }) {
    const range = [n, n, 0, 0];
    for (let k = this.offsets[r]; k < this.offsets[r + 1]; k++) {
      const i = clampCell((this.vertices[2 * this.loops[k]] - x0) * across, n);
      const j = clampCell((this.vertices[2 * this.loops[k] + 1] - y0) * up, n);
      range[0] = Math.min(range[0], i);
      range[1] = Math.min(range[1], j);
      range[2] = Math.max(range[2], i);
      range[3] = Math.max(range[3], j);
    }
    return range;
  }

  /** The scene's own coordinates of a point in slice coordinates. */
  local(u) {
    return [(u[0] - this.centre[0]) / this.scale, (u[1] - this.centre[1]) / this.scale];
  }

  /** Region of a point in slice coordinates; -1 outside. */
  locate(u) {
    const [x, y] = this.local(u);
    const [x0, y0, x1, y1] = this.box;
    if (!(x >= x0 && x <= x1 && y >= y0 && y <= y1)) return -1;
    const { n, across, up, starts, regions } = this.index;
    const cell = clampCell((y - y0) * up, n) * n + clampCell((x - x0) * across, n);
    for (let c = starts[cell]; c < starts[cell + 1]; c++) if (this.contains(regions[c], x, y)) return regions[c];
    return -1;
  }

  /** By the parity of crossings: bridges to holes are crossed twice. */
  contains(r, x, y) {
    const { vertices: v, loops, offsets } = this;
    let inside = false;
    let before = 2 * loops[offsets[r + 1] - 1];
    for (let k = offsets[r]; k < offsets[r + 1]; k++) {
      const here = 2 * loops[k];
      if (v[here + 1] > y !== v[before + 1] > y) {
        const t = (y - v[here + 1]) / (v[before + 1] - v[here + 1]);
        if (x < v[here] + t * (v[before] - v[here])) inside = !inside;
      }
      before = here;
    }
    return inside;
  }

  /** The edge of region r that is nearest to a point, and how far it is, in slice coordinates. */
  nearestEdge(r, u) {
    const p = this.local(u);
    const nearest = { edge: -1, distance: Infinity };
    for (let k = this.offsets[r]; k < this.offsets[r + 1]; k++) {
      const edge = this.loop_edges[k];
      const distance = this.scale * this.distanceToEdge(edge, p);
      if (distance < nearest.distance) Object.assign(nearest, { edge, distance });
    }
    return nearest;
  }

  distanceToEdge(e, [x, y]) {
    const { vertices: v, edges } = this;
    const a = 2 * edges[2 * e];
    const b = 2 * edges[2 * e + 1];
    const dx = v[b] - v[a];
    const dy = v[b + 1] - v[a + 1];
    const along = ((x - v[a]) * dx + (y - v[a + 1]) * dy) / (dx * dx + dy * dy || 1);
    const t = Math.min(1, Math.max(0, along));
    return Math.hypot(v[a] + t * dx - x, v[a + 1] + t * dy - y);
  }
}

function clampCell(x, n) {
  return Math.min(n - 1, Math.max(0, Math.floor(x)));
}
