// A frame of a shared page, packed by `packing.py`: positions in 1/65535 of the window, and the subdivision as a walk.
//
// Vertices and edges are numbered in the order in which the loops come to them. A slot of a loop is then either a new
// vertex (code 0), or one that was there before (code: how many numbers back). Edges need no code at all: the first
// slot that runs along one makes it, the second finds it again by its two ends.

/** The arrays of a scene from those of a packed frame. */
export function unpackFrame({ header, arrays }) {
  const vertices = positions(arrays);
  const loops = walk(arrays.codes_low, arrays.codes_high, vertices.length / 2);
  const { edges, loopEdges } = edgesOf(loops, arrays.sizes, header.n_edges, vertices.length / 2);
  const whole = {
    vertices,
    loops,
    sizes: arrays.sizes,
    loop_edges: loopEdges,
    edges,
    edge_layer: Int16Array.from(arrays.edge_layer, (layer) => layer - 1),
    edge_unit: Int32Array.from(joined(arrays.unit_low, arrays.unit_high)),
  };
  if (arrays.slope_low) whole.slope_norm = levels(joined(arrays.slope_low, arrays.slope_high), header.slope_range);
  for (const name of ["class", "boundary", "triangles"]) if (arrays[name]) whole[name] = arrays[name];
  return { header, arrays: whole };
}

/** 16-bit numbers whose low and high bytes were packed apart, each compressing better by itself. */
function joined(low, high) {
  const both = new Uint16Array(low.length);
  for (let i = 0; i < both.length; i++) both[i] = low[i] | (high[i] << 8);
  return both;
}

/** Running sums modulo 2^16 of the steps from vertex to vertex, in the scene's own units. */
function positions(arrays) {
  const columns = [joined(arrays.x_low, arrays.x_high), joined(arrays.y_low, arrays.y_high)];
  const placed = new Float32Array(2 * columns[0].length);
  columns.forEach((steps, axis) => {
    let at = 0;
    for (let i = 0; i < steps.length; i++) {
      at = (at + steps[i]) & 0xffff;
      placed[2 * i + axis] = (2 * at) / 65535 - 1;
    }
  });
  return placed;
}

function walk(low, high, nVertices) {
  const loops = new Uint32Array(low.length);
  const nFar = high.length / 3;
  let next = 0;
  for (let i = 0, far = 0; i < low.length; i++) {
    let code = low[i];
    if (code === 255) {
      code = high[far] | (high[nFar + far] << 8) | (high[2 * nFar + far] << 16);
      far++;
    }
    loops[i] = code === 0 ? next++ : next - code;
  }
  if (next !== nVertices) throw new Error("a frame of this page is damaged");
  return loops;
}

/** Edges in the order in which the loops come to them, found again in a table of open addresses. */
function edgesOf(loops, sizes, nEdges, nVertices) {
  let room = 1024;
  while (room < 2 * nEdges) room *= 2;
  const table = new Int32Array(room).fill(-1);
  const edges = new Uint32Array(2 * nEdges);
  const loopEdges = new Uint32Array(loops.length);
  let found = 0;
  for (let r = 0, start = 0; r < sizes.length; start += sizes[r++]) {
    for (let k = 0; k < sizes[r]; k++) {
      const from = loops[start + k];
      const to = loops[start + ((k + 1) % sizes[r])];
      const a = Math.min(from, to);
      const b = Math.max(from, to);
      let place = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b + nVertices, 0x85ebca6b)) & (room - 1);
      while (table[place] >= 0 && (edges[2 * table[place]] !== a || edges[2 * table[place] + 1] !== b)) {
        place = (place + 1) & (room - 1);
      }
      if (table[place] < 0) {
        table[place] = found;
        edges[2 * found] = a;
        edges[2 * found++ + 1] = b;
      }
      loopEdges[start + k] = table[place];
    }
  }
  return { edges, loopEdges };
}

/** From 16 bits on a logarithmic scale; 0 stands for zero. */
function levels(codes, [low, high]) {
  const step = Math.log(high / low) / 65534;
  return Float32Array.from(codes, (code) => (code === 0 ? 0 : low * Math.exp((code - 1) * step)));
}
