// The explorer: what is seen of which plane at which checkpoint, asked for and drawn.

import { Camera } from "./camera.js";
import { Gestures } from "./gestures.js";
import { kernelHost, Refusal } from "./hosts.js";
import { make, readout } from "./elements.js";
import { drawOverlay } from "./overlay.js";
import { Painter } from "./painter.js";
import { Panel } from "./panel.js";
import { download, toPng, toSvg } from "./picture.js";
import { QUANTITIES, quantityOf, short } from "./quantities.js";
import { Scene } from "./scene.js";

const COVERED = 0.12; // share of the picture that edges may cover: where there are many, they become thin
const NEAR = 6; // pixels within which an edge is under the cursor

/** Fill an element with an explorer of what `ask` answers about. */
export async function start(root, ask, links = {}) {
  root.classList.add("sgx");
  root.replaceChildren(make("p", { className: "sgx-wait", textContent: "Loading …" }));
  try {
    const { header, arrays } = await ask({ ask: "about" });
    const palettes = Object.fromEntries(Object.keys(arrays).map((name) => [name, arrays[name]]));
    const explorer = new Explorer(root, ask, { ...header, palettes }, links);
    await explorer.refresh();
    return explorer;
  } catch (error) {
    root.replaceChildren(make("p", { className: "sgx-wait", textContent: error.message }));
    throw error;
  }
}

export class Explorer {
  constructor(root, ask, about, links) {
    Object.assign(this, { root, ask, about, links });
    this.camera = new Camera(about.view);
    this.camera.deepest = about.deepest;
    this.checkpoint = about.checkpoints.length - 1;
    this.plane = { anchors: null, moves: [] };
    this.color = about.color;
    this.look = { edges: true, byLayer: false, boundary: true, hidden: new Set(), fixed: null };
    this.scene = this.under = this.selected = this.pointed = null;
    this.markers = [];
    this.dropped = 0;
    this.build();
    this.gestures = new Gestures(this);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.picture);
    this.resize();
  }

  build() {
    this.below = make("canvas", { className: "sgx-below" });
    this.above = make("canvas", { className: "sgx-above", tabIndex: 0 });
    this.above.setAttribute("aria-label", "The partition. Arrow keys move, + and - zoom, ? lists all keys.");
    this.tip = make("div", { className: "sgx-tip", hidden: true });
    this.banner = make("div", { className: "sgx-banner", hidden: true, role: "alert" });
    this.busyMark = make("div", { className: "sgx-busy", hidden: true });
    this.picture = make("div", { className: "sgx-picture" }, this.below, this.above, this.busyMark, this.tip, this.banner);
    this.painter = new Painter(this.below);
    this.panel = new Panel(this);
    this.root.replaceChildren(this.picture, this.panel.element);
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.picture;
    if (!width || !height) return;
    this.ratio = window.devicePixelRatio || 1;
    this.camera.resize(width, height);
    for (const canvas of [this.below, this.above]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    this.moved();
  }

  // ---------------------------------------------------------------- what is asked for

  /** What an answer must still belong to when it comes. */
  get subject() {
    return JSON.stringify([this.plane, this.checkpoint]);
  }

  get message() {
    const { view, window } = this.camera;
    return { ask: "scene", checkpoint: this.checkpoint, plane: this.plane, view: this.viewUnknown ? null : view, window };
  }

  /** Ask for what is wanted now. One question is under way at a time; what changes meanwhile is asked afterwards. */
  async refresh() {
    this.changed ??= performance.now();
    this.wanted = true;
    this.asking ??= this.askUntilCurrent().finally(() => {
      this.asking = null;
      this.busyMark.hidden = true;
    });
    return this.asking;
  }

  async askUntilCurrent() {
    while (this.wanted) {
      this.wanted = false;
      const [subject, since, message] = [this.subject, this.changed, this.message];
      this.changed = null;
      const wait = setTimeout(() => (this.busyMark.hidden = false), 150);
      try {
        const answer = await this.ask(message);
        if (subject === this.subject) this.show(new Scene(answer), subject, since);
        else this.stale();
      } catch (error) {
        if (subject === this.subject) this.say(error.message);
        if (!(error instanceof Refusal)) console.info(error.message);
      } finally {
        clearTimeout(wait);
      }
    }
  }

  stale() {
    this.dropped++;
    this.wanted = true;
  }

  show(scene, subject, since) {
    const { header } = scene;
    if (this.viewUnknown) {
      this.viewUnknown = false;
      this.camera.home = header.view;
      this.camera.view = header.view;
    }
    const widest = this.under?.subject === subject && this.under.scale > 1.01 * scene.scale ? this.under : scene;
    Object.assign(scene, { subject });
    this.under = widest;
    this.scene = scene;
    this.markers = header.markers ?? this.about.markers ?? [];
    this.say(null);
    this.draw();
    this.panel.update();
    this.seconds = (performance.now() - since) / 1000;
    this.told();
    this.panel.status();
  }

  /** A sentence above the picture; null takes it away. */
  say(words) {
    this.banner.hidden = words === null;
    this.banner.textContent = words ?? "";
  }

  // ---------------------------------------------------------------- what can be changed

  /** After the camera has changed: the old picture moves along until the new one is there. */
  moved() {
    this.tip.hidden = true;
    this.soon();
    if (this.about.live && this.scene) this.refresh();
  }

  setCheckpoint(index) {
    const wanted = Math.min(this.about.checkpoints.length - 1, Math.max(0, Math.round(index)));
    if (wanted === this.checkpoint || !Number.isFinite(wanted)) return this.asking;
    this.checkpoint = wanted;
    this.panel.update();
    this.links.changed?.("checkpoint", wanted);
    return this.refresh();
  }

  setAnchors(anchors) {
    this.plane = { anchors, moves: [] };
    this.viewUnknown = true;
    this.select(null);
    this.refresh();
  }

  /** Tilt the plane about the middle of the view: angles towards two directions that leave the plane. */
  tilt(first, second) {
    if (!this.about.tilts) return;
    const { centre } = this.camera;
    const moves = [...this.plane.moves];
    const last = moves.at(-1);
    if (last && last[0] === centre[0] && last[1] === centre[1]) moves.pop();
    const [a, b] = moves.length < this.plane.moves.length ? last.slice(2) : [0, 0];
    const turned = [a + first, (b + second) * (this.about.tilts > 1)];
    if (moves.length >= 60) return this.say("the plane was tilted about 60 points: go back with Home");
    this.plane = { ...this.plane, moves: [...moves, [...centre, ...turned]] };
    this.select(null);
    this.refresh();
  }

  home() {
    if (this.plane.moves.length) {
      this.plane = { ...this.plane, moves: [] };
      this.select(null);
    }
    this.camera.reset();
    this.moved();
    if (this.about.live) this.refresh();
  }

  /** Colour by a quantity, or the next one that this partition knows. */
  setColor(name) {
    this.color = name;
    this.look.fixed = null;
    this.soon();
    this.panel.update();
  }

  setLook(change) {
    Object.assign(this.look, change);
    this.soon();
    this.panel.update();
  }

  fixScale(fixed) {
    this.setLook({ fixed: fixed ? this.colouring(this.scene).limits : null });
  }

  /** Look at a point: the input there, the outputs, the local complexity, where a network can be asked. */
  async select(at) {
    this.selected = at ? { at } : null;
    const chosen = this.selected;
    this.links.changed?.("selected", at ? { at, region: this.scene.locate(at) } : null);
    this.panel.selection();
    this.soon();
    if (!at || !this.about.probe) return;
    try {
      const answer = await this.ask({ ask: "probe", checkpoint: this.checkpoint, plane: this.plane, at });
      if (chosen !== this.selected) return;
      Object.assign(chosen, { answer });
      this.panel.selection();
    } catch (error) {
      this.say(error.message);
    }
  }

  /** Take over a trait that Python has set. */
  take(name, value) {
    if (name === "checkpoint") this.setCheckpoint(value);
    if (name === "selected" && JSON.stringify(value?.at) !== JSON.stringify(this.selected?.at)) this.select(value?.at ?? null);
    if (name === "view" && value && JSON.stringify(value) !== JSON.stringify(this.camera.view)) {
      this.camera.view = value;
      this.moved();
    }
  }

  // ---------------------------------------------------------------- what is drawn

  get known() {
    return Object.keys(QUANTITIES).filter((name) => this.scene && QUANTITIES[name].known(this.scene));
  }

  colouring(scene) {
    const name = this.known.includes(this.color) ? this.color : this.known[0];
    const top = quantityOf(this.scene, name, this.about);
    const quantity = QUANTITIES[name].known(scene) ? quantityOf(scene, name, this.about) : quantityOf(scene, "layer", this.about);
    return { name, quantity, limits: this.look.fixed ?? top.limits };
  }

  get legend() {
    return this.scene && this.colouring(this.scene);
  }

  /** Everything that the painter and the SVG need to know. */
  get drawn() {
    const { edges, boundary } = this.look;
    return {
      edges,
      boundary,
      colouring: (scene) => this.colouring(scene),
      edgeWidth: (scene) => {
        const { length, area } = scene.extent;
        return Math.min(1.4, Math.max(0.1, COVERED / ((length / area) * this.camera.unit)));
      },
      strokes: this.strokes,
      casing: CASING,
      bright: BRIGHT,
    };
  }

  /** Colours of the lines: the border's, which is not drawn, then one for each layer. */
  get strokes() {
    const { byLayer, hidden } = this.look;
    const key = `${byLayer}${[...hidden]}`;
    if (this.strokeKey !== key) {
      this.strokeKey = key;
      this.strokeBytes = new Uint8Array(4 * (this.about.layers.length + 1));
      this.about.layers.forEach((_, layer) => {
        const colour = byLayer ? this.about.palettes.line.slice(4 * layer, 4 * layer + 3) : [12, 10, 24];
        this.strokeBytes.set([...colour, hidden.has(layer) ? 0 : 255], 4 * (layer + 1));
      });
    }
    return this.strokeBytes;
  }

  /** Draw before the next frame of the screen, once, however often it is asked for. */
  soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
      if (!this.asking) this.told();
    });
  }

  /** Tell the host which view is shown, when nothing is under way, and only if it is another one. */
  told() {
    const shown = JSON.stringify(this.camera.view);
    if (!this.scene || this.lastTold === shown) return;
    this.lastTold = shown;
    this.links.changed?.("view", this.camera.view);
  }

  draw() {
    if (!this.scene) return;
    const scenes = this.under === this.scene ? [this.scene] : [this.under, this.scene];
    this.painter.paint(scenes, this.camera, this.drawn, this.ratio);
    const markers = this.selected ? [...this.markers, { ...this.selected, chosen: true }] : this.markers;
    const hovered = this.pointed?.scene === this.scene ? this.pointed.region : -1;
    drawOverlay(this.above, this.camera, this.ratio, { scene: this.scene, hovered, markers, legend: this.legend });
  }

  /** What is under the cursor. */
  point(pixel) {
    const u = pixel && this.camera.toSlice(pixel);
    const region = u && this.scene ? this.scene.locate(u) : -1;
    const moved = this.pointed?.region !== region || this.pointed?.scene !== this.scene;
    this.pointed = { region, scene: this.scene };
    if (moved) this.soon();
    this.tip.hidden = region < 0;
    if (region < 0) return;
    const { edge, distance } = this.scene.nearestEdge(region, u);
    const near = edge >= 0 && distance < NEAR * this.camera.unit && this.scene.edge_layer[edge] >= 0 ? edge : -1;
    this.tip.replaceChildren(readout(this.describe(region, near)));
    const left = pixel[0] + 270 > this.camera.width ? pixel[0] - 240 : pixel[0] + 16;
    this.tip.style.transform = `translate(${left}px, ${Math.min(pixel[1] + 16, this.camera.height - 120)}px)`;
  }

  /** Names and values of a region, and of an edge of it. */
  describe(region, edge = -1) {
    const { scene, about } = this;
    const rows = [];
    if (scene.class) rows.push(["class", about.classes[scene.class[region]]]);
    if (scene.slope_norm) rows.push(["slope norm", short(scene.slope_norm[region])]);
    rows.push(["area", short(scene.shapes.area[region])]);
    rows.push(["corners", String(scene.sizes[region])]);
    if (scene.birth[region] >= 0) rows.push(["layer of birth", String(scene.birth[region] + 1)]);
    if (edge >= 0) {
      const layer = scene.edge_layer[edge];
      rows.push(["edge", `unit ${unitName(scene.edge_unit[edge], about.unit_shapes[layer])} of layer ${layer + 1} (${about.layers[layer]})`]);
    }
    return rows;
  }

  // ---------------------------------------------------------------- files

  async savePng() {
    this.draw();
    download(await toPng(this.below, this.above), "partition.png");
  }

  get svg() {
    const markers = this.selected ? [...this.markers, { ...this.selected, chosen: true }] : this.markers;
    return toSvg(this.scene, this.camera, this.drawn, { markers, legend: this.legend });
  }

  saveSvg() {
    download(this.svg, "partition.svg", "image/svg+xml");
  }

  close() {
    this.observer.disconnect();
    this.panel.close();
    this.painter.close();
  }
}

const CASING = Uint8Array.of(16, 16, 24, 255);
const BRIGHT = Uint8Array.of(255, 255, 255, 255);

/** Index of a unit in its layer's shape: a number, or channel, row, column. */
function unitName(unit, shape) {
  if (!shape || shape.length < 2) return String(unit);
  const index = [];
  for (const size of [...shape].reverse()) {
    index.unshift(unit % size);
    unit = Math.floor(unit / size);
  }
  return `(${index.join(", ")})`;
}

/** What anywidget calls: the widget's traits go both ways, its questions to the kernel. */
async function render({ model, el }) {
  const names = ["view", "checkpoint", "selected"];
  const links = {
    changed(name, value) {
      if (!names.includes(name)) return;
      model.set(name, value);
      model.save_changes();
    },
  };
  el.style.height = `${model.get("height")}px`;
  const explorer = await start(el, kernelHost(model), links);
  for (const name of names) {
    model.on(`change:${name}`, () => explorer.take(name, model.get(name)));
    if (name !== "view" || model.get(name)) explorer.take(name, model.get(name));
  }
  return () => explorer.close();
}

export default { render };
