// Mouse, touch and keyboard.

const MOVE = 0.1; // of the picture, for one press of an arrow key
const TURN = Math.PI / 36;

export const KEYS = [
  ["arrows", "move"],
  ["+ −", "zoom (wheel)"],
  ["q e", "turn (shift and drag)"],
  ["i k j l", "tilt the plane"],
  [", .", "checkpoint before, after"],
  ["space", "play"],
  ["c", "next colour"],
  ["f", "fix the colour scale"],
  ["g b", "edges, decision boundary"],
  ["home", "first view"],
  ["p s", "save PNG, SVG"],
  ["esc", "forget the chosen point"],
];

export class Gestures {
  constructor(explorer) {
    this.explorer = explorer;
    this.pointers = new Map();
    const { above } = explorer;
    const on = (event, listener, options) => above.addEventListener(event, listener, options);
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.pointers.delete(event.pointerId));
    on("pointerleave", () => explorer.point(null));
    on("wheel", (event) => this.wheel(event), { passive: false });
    on("dblclick", (event) => this.zoom(2, pixelOf(event)));
    on("contextmenu", (event) => event.preventDefault());
    on("keydown", (event) => this.key(event));
  }

  down(event) {
    this.explorer.above.focus({ preventScroll: true });
    this.explorer.above.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, pixelOf(event));
    this.travelled = 0;
  }

  move(event) {
    const here = pixelOf(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      this.explorer.point(here);
      return;
    }
    const { camera } = this.explorer;
    this.pointers.set(event.pointerId, here);
    this.travelled += Math.hypot(here[0] - before[0], here[1] - before[1]);
    if (this.travelled < 4) return;
    if (this.pointers.size === 2) this.pinch(event.pointerId, before, here);
    else if (event.shiftKey || event.buttons === 2) camera.turn(-angleBetween(camera, before, here));
    else camera.drag(before, here);
    this.explorer.moved();
  }

  /** Two fingers: the distance zooms, the middle moves. */
  pinch(id, before, here) {
    const { camera } = this.explorer;
    const [, other] = [...this.pointers].find(([key]) => key !== id);
    const middle = (p) => [(p[0] + other[0]) / 2, (p[1] + other[1]) / 2];
    const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    camera.drag(middle(before), middle(here));
    camera.zoom(apart(here) / apart(before), middle(here));
  }

  up(event) {
    const clicked = this.pointers.delete(event.pointerId) && this.travelled < 4 && event.button === 0;
    const { explorer } = this;
    if (!clicked || !explorer.scene) return;
    const at = explorer.camera.toSlice(pixelOf(event));
    if (explorer.scene.locate(at) >= 0) explorer.select(at);
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    this.zoom(Math.exp(-Math.max(-200, Math.min(200, event.deltaY * lines)) / 400), pixelOf(event));
  }

  zoom(factor, pixel) {
    this.explorer.camera.zoom(factor, pixel);
    this.explorer.moved();
  }

  shift(x, y) {
    const { camera } = this.explorer;
    const middle = [camera.width / 2, camera.height / 2];
    const step = MOVE * Math.min(camera.width, camera.height);
    camera.drag(middle, [middle[0] - x * step, middle[1] + y * step]);
    this.explorer.moved();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = this.actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  get actions() {
    const { explorer } = this;
    const { camera, look, known, color } = explorer;
    const turn = (angle) => {
      camera.turn(angle);
      explorer.moved();
    };
    return {
      ArrowLeft: () => this.shift(-1, 0),
      ArrowRight: () => this.shift(1, 0),
      ArrowUp: () => this.shift(0, 1),
      ArrowDown: () => this.shift(0, -1),
      "+": () => this.zoom(1.5),
      "=": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5),
      q: () => turn(TURN),
      e: () => turn(-TURN),
      i: () => explorer.tilt(0, TURN / 2),
      k: () => explorer.tilt(0, -TURN / 2),
      j: () => explorer.tilt(-TURN / 2, 0),
      l: () => explorer.tilt(TURN / 2, 0),
      ",": () => explorer.setCheckpoint(explorer.checkpoint - 1),
      ".": () => explorer.setCheckpoint(explorer.checkpoint + 1),
      " ": () => explorer.panel.play(),
      c: () => explorer.setColor(known[(known.indexOf(color) + 1) % known.length]),
      f: () => explorer.fixScale(look.fixed === null),
      g: () => explorer.setLook({ edges: !look.edges }),
      b: () => explorer.setLook({ boundary: !look.boundary }),
      Home: () => explorer.home(),
      h: () => explorer.home(),
      p: () => explorer.savePng(),
      s: () => explorer.saveSvg(),
      "?": () => explorer.panel.toggleHelp(),
      Escape: () => explorer.select(null),
    };
  }
}

function pixelOf(event) {
  return [event.offsetX, event.offsetY];
}

/** Angle from one pixel to another, seen from the middle of the picture, counter-clockwise. */
function angleBetween({ width, height }, from, to) {
  const angle = ([x, y]) => Math.atan2(height / 2 - y, x - width / 2);
  return angle(to) - angle(from);
}
