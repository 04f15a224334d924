// WebGL2: filled regions, and lines of any width as thin rectangles with soft sides.

const FILL = [
  `#version 300 es
  layout(location = 0) in vec2 corner;
  layout(location = 1) in uint region;
  uniform mat2 turn;
  uniform vec2 shift, middle;
  uniform highp sampler2D levels;
  flat out float level;
  void main() {
    int row = textureSize(levels, 0).x;
    level = texelFetch(levels, ivec2(int(region) % row, int(region) / row), 0).r;
    gl_Position = vec4((turn * corner + shift) / middle, 0.0, 1.0);
  }`,
  `#version 300 es
  precision highp float;
  flat in float level;
  uniform vec2 limits;
  uniform highp sampler2D palette;
  out vec4 colour;
  void main() {
    int n = textureSize(palette, 0).x;
    float t = (level - limits.x) / (limits.y - limits.x);
    colour = texelFetch(palette, ivec2(clamp(int(floor(t * float(n))), 0, n - 1), 0), 0);
  }`,
];

const LINE = [
  `#version 300 es
  uniform mat2 turn;
  uniform vec2 shift, middle;
  uniform float width;
  uniform highp sampler2D ends, kinds, strokes;
  out float across;
  flat out vec4 stroke;
  void main() {
    int row = textureSize(ends, 0).x, line = gl_VertexID / 6, corner = gl_VertexID % 6;
    ivec2 place = ivec2(line % row, line / row);
    vec4 both = texelFetch(ends, place, 0);
    stroke = texelFetch(strokes, ivec2(int(texelFetch(kinds, place, 0).r), 0), 0);
    vec2 a = turn * both.xy + shift, b = turn * both.zw + shift;
    vec2 along = b - a;
    float size = length(along);
    along = size > 0.0 ? along / size : vec2(1.0, 0.0);
    // Two triangles: corners 0 1 2 and 2 1 3 of a rectangle, whose odd corners lie on one side.
    int at4 = corner < 3 ? corner : corner == 3 ? 2 : corner == 4 ? 1 : 3;
    float side = at4 % 2 == 0 ? -1.0 : 1.0;
    bool late = at4 > 1;
    across = side * (width * 0.5 + 1.0);
    vec2 at = (late ? b : a) + (late ? 0.35 : -0.35) * width * along + across * vec2(-along.y, along.x);
    gl_Position = stroke.a > 0.0 ? vec4(at / middle, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  }`,
  `#version 300 es
  precision highp float;
  in float across;
  flat in vec4 stroke;
  uniform float width;
  out vec4 colour;
  void main() {
    float cover = clamp(width * 0.5 + 0.5 - abs(across), 0.0, 1.0) * min(1.0, width);
    colour = vec4(stroke.rgb, 1.0) * stroke.a * cover;
  }`,
];

const ROW = 2048; // width of the textures that hold one entry for each region or line

export class Painter {
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: true, premultipliedAlpha: true, preserveDrawingBuffer: true });
    if (!gl) throw new Error("this browser offers no WebGL2, which the picture is drawn with");
    this.gl = gl;
    this.fill = program(gl, FILL);
    this.line = program(gl, LINE);
    this.nothing = gl.createVertexArray();
    this.palettes = new Map();
    this.held = new Map();
    gl.disable(gl.DEPTH_TEST);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** Draw scenes one over the other, the last on top; nothing of other scenes is kept. */
  paint(scenes, camera, look, ratio) {
    const { gl } = this;
    gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
    gl.clearColor(1, 1, 1, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    for (const scene of this.held.keys()) if (!scenes.includes(scene)) this.release(scene);
    for (const scene of scenes) {
      const held = this.upload(scene);
      const { turn, shift } = camera.placement(scene);
      const place = { turn: turn.map((x) => x * ratio), shift: shift.map((x) => x * ratio) };
      this.paintRegions(scene, held, place, look);
      if (look.edges) this.paintLines(held.edges, place, look.edgeWidth(scene) * ratio, look.strokes);
      if (look.boundary && held.boundary) {
        this.paintLines(held.boundary, place, 3.6 * ratio, look.casing);
        this.paintLines(held.boundary, place, 2.0 * ratio, look.bright);
      }
    }
  }

  paintRegions(scene, held, place, look) {
    const { gl } = this;
    const { quantity, limits } = look.colouring(scene);
    if (held.shown !== quantity) {
      this.levels(held, quantity.levels);
      held.shown = quantity;
    }
    gl.disable(gl.BLEND);
    gl.useProgram(this.fill.program);
    this.place(this.fill, place);
    gl.uniform2f(this.fill.limits, ...limits);
    this.texture(0, held.texture, this.fill.levels);
    this.texture(1, this.palette(quantity.palette), this.fill.palette);
    gl.bindVertexArray(held.regions);
    gl.drawElements(gl.TRIANGLES, scene.fans.length, gl.UNSIGNED_INT, 0);
  }

  paintLines(lines, place, width, strokes) {
    const { gl } = this;
    gl.enable(gl.BLEND);
    gl.useProgram(this.line.program);
    this.place(this.line, place);
    gl.uniform1f(this.line.width, width);
    this.texture(0, this.palette(strokes), this.line.strokes);
    this.texture(1, lines.ends, this.line.ends);
    this.texture(3, lines.kinds, this.line.kinds);
    gl.bindVertexArray(this.nothing);
    gl.drawArrays(gl.TRIANGLES, 0, 6 * lines.count);
  }

  place(shader, { turn, shift }) {
    const { gl } = this;
    gl.uniformMatrix2fv(shader.turn, false, turn);
    gl.uniform2f(shader.shift, ...shift);
    gl.uniform2f(shader.middle, gl.canvas.width / 2, gl.canvas.height / 2);
  }

  texture(unit, texture, uniform) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.uniform1i(uniform, unit);
  }

  /** A row of colours, RGBA with 8 bits each, as a texture. */
  palette(colours) {
    const { gl } = this;
    if (!this.palettes.has(colours)) {
      this.palettes.set(colours, this.newTexture());
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, colours.length / 4, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colours);
      if (this.palettes.size > 64) this.forget(this.palettes.keys().next().value);
    }
    return this.palettes.get(colours);
  }

  forget(colours) {
    this.gl.deleteTexture(this.palettes.get(colours));
    this.palettes.delete(colours);
  }

  newTexture() {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE2); // the other units keep what the shaders read
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    for (const end of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, end, gl.NEAREST);
    for (const axis of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(gl.TEXTURE_2D, axis, gl.CLAMP_TO_EDGE);
    }
    return texture;
  }

  levels(held, levels) {
    this.gl.deleteTexture(held.texture);
    held.texture = this.table(levels, 1);
  }

  /** Rows of one or four numbers as a texture. */
  table(numbers, size) {
    const { gl } = this;
    const rows = Math.max(1, Math.ceil(numbers.length / (size * ROW)));
    const padded = new Float32Array(size * rows * ROW);
    padded.set(numbers);
    const texture = this.newTexture();
    const [inside, format] = size === 1 ? [gl.R32F, gl.RED] : [gl.RGBA32F, gl.RGBA];
    gl.texImage2D(gl.TEXTURE_2D, 0, inside, ROW, rows, 0, format, gl.FLOAT, padded);
    return texture;
  }

  /** The buffers of a scene: corners and region of each slot, triangles, ends of the edges and of the boundary. */
  upload(scene) {
    if (this.held.has(scene)) return this.held.get(scene);
    const { gl } = this;
    const held = { buffers: [], shown: null, texture: null };
    const corners = new Float32Array(2 * scene.loops.length);
    const owners = new Uint32Array(scene.loops.length);
    for (let r = 0; r < scene.nRegions; r++) owners.fill(r, scene.offsets[r], scene.offsets[r + 1]);
    for (let k = 0; k < scene.loops.length; k++) {
      corners[2 * k] = scene.vertices[2 * scene.loops[k]];
      corners[2 * k + 1] = scene.vertices[2 * scene.loops[k] + 1];
    }
    held.regions = gl.createVertexArray();
    gl.bindVertexArray(held.regions);
    this.attribute(held, 0, corners, 2);
    this.buffer(held, gl.ARRAY_BUFFER, owners);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_INT, 0, 0);
    this.buffer(held, gl.ELEMENT_ARRAY_BUFFER, scene.fans);
    gl.bindVertexArray(null);
    held.edges = this.lines(edgeEnds(scene), Float32Array.from(scene.edge_layer, (layer) => layer + 1));
    const nBoundary = scene.boundary ? scene.boundary.length / 4 : 0;
    if (nBoundary) held.boundary = this.lines(scene.boundary, new Float32Array(nBoundary));
    this.held.set(scene, held);
    return held;
  }

  /** Lines, whose six corners each are computed from tables: instances of four would be many tiny draws. */
  lines(ends, kinds) {
    return { ends: this.table(ends, 4), kinds: this.table(kinds, 1), count: kinds.length };
  }

  attribute(held, place, data, size) {
    const { gl } = this;
    this.buffer(held, gl.ARRAY_BUFFER, data);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
  }

  buffer(held, target, data) {
    const { gl } = this;
    const buffer = gl.createBuffer();
    gl.bindBuffer(target, buffer);
    gl.bufferData(target, data, gl.STATIC_DRAW);
    held.buffers.push(buffer);
  }

  release(scene) {
    const { gl } = this;
    const held = this.held.get(scene);
    for (const buffer of held.buffers) gl.deleteBuffer(buffer);
    gl.deleteVertexArray(held.regions);
    gl.deleteTexture(held.texture);
    for (const lines of [held.edges, held.boundary]) {
      for (const table of lines ? [lines.ends, lines.kinds] : []) gl.deleteTexture(table);
    }
    this.held.delete(scene);
  }

  /** Give everything back to the graphics card. */
  close() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

function edgeEnds(scene) {
  const ends = new Float32Array(4 * scene.nEdges);
  for (let i = 0; i < 2 * scene.nEdges; i++) {
    ends[2 * i] = scene.vertices[2 * scene.edges[i]];
    ends[2 * i + 1] = scene.vertices[2 * scene.edges[i] + 1];
  }
  return ends;
}

function program(gl, sources) {
  const made = gl.createProgram();
  sources.forEach((source, i) => {
    const shader = gl.createShader(i ? gl.FRAGMENT_SHADER : gl.VERTEX_SHADER);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  });
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(`WebGL2: ${gl.getProgramInfoLog(made)}`);
  const uniforms = { program: made };
  for (let i = 0; i < gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS); i++) {
    const { name } = gl.getActiveUniform(made, i);
    uniforms[name] = gl.getUniformLocation(made, name);
  }
  return uniforms;
}
