// Which part of the plane is seen. All in double precision; only differences to the centre ever become float32.

export class Camera {
  /** A square of side `size` around `centre`, turned by `angle`, fits into the picture. */
  constructor({ centre, size, angle = 0 }) {
    this.home = { centre: [...centre], size, angle };
    this.deepest = 1e-9;
    this.resize(1, 1);
    this.reset();
  }

  get view() {
    return { centre: [...this.centre], size: this.size, angle: this.angle };
  }

  /** Only what is finite is taken; the zoom stays between its ends. */
  set view({ centre, size, angle }) {
    const numbers = [...(centre ?? []), size, angle ?? 0];
    if (numbers.length !== 4 || !numbers.every(Number.isFinite) || size <= 0) return;
    this.centre = [...centre];
    this.size = Math.min(100 * this.home.size, Math.max(this.deepest * this.home.size, size));
    this.angle = angle ?? 0;
  }

  reset() {
    this.view = this.home;
  }

  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
  }

  /** Slice coordinates per pixel of the page. */
  get unit() {
    return this.size / Math.min(this.width, this.height);
  }

  /** Width and height of what is seen, in slice coordinates. */
  get window() {
    return [this.width * this.unit, this.height * this.unit];
  }

  /** Slice coordinates of a pixel, counted from the upper left corner. */
  toSlice([px, py]) {
    const x = (px - this.width / 2) * this.unit;
    const y = (this.height / 2 - py) * this.unit;
    const [c, s] = [Math.cos(this.angle), Math.sin(this.angle)];
    return [this.centre[0] + c * x - s * y, this.centre[1] + s * x + c * y];
  }

  toScreen(u) {
    const [dx, dy] = [u[0] - this.centre[0], u[1] - this.centre[1]];
    const [c, s] = [Math.cos(this.angle), Math.sin(this.angle)];
    return [
      this.width / 2 + (c * dx + s * dy) / this.unit,
      this.height / 2 - (-s * dx + c * dy) / this.unit,
    ];
  }

  /** What stands at `from` moves to `to`, both in pixels. */
  drag(from, to) {
    const a = this.toSlice(from);
    const b = this.toSlice(to);
    this.view = { ...this.view, centre: [this.centre[0] + a[0] - b[0], this.centre[1] + a[1] - b[1]] };
  }

  /** Zoom by a factor; what stands at the pixel stays there. */
  zoom(factor, pixel = [this.width / 2, this.height / 2]) {
    const before = this.toSlice(pixel);
    this.view = { ...this.view, size: this.size / factor };
    const after = this.toSlice(pixel);
    const centre = [this.centre[0] + before[0] - after[0], this.centre[1] + before[1] - after[1]];
    this.view = { ...this.view, centre };
  }

  turn(angle) {
    this.view = { ...this.view, angle: Math.atan2(Math.sin(this.angle + angle), Math.cos(this.angle + angle)) };
  }

  /** From a scene's own coordinates to pixels around the middle, y upwards: a matrix by columns, and a shift. */
  placement(scene) {
    const [c, s] = [Math.cos(this.angle), Math.sin(this.angle)];
    const k = scene.scale / this.unit;
    const [dx, dy] = [scene.centre[0] - this.centre[0], scene.centre[1] - this.centre[1]];
    return {
      turn: [k * c, -k * s, k * s, k * c],
      shift: [(c * dx + s * dy) / this.unit, (-s * dx + c * dy) / this.unit],
    };
  }
}
