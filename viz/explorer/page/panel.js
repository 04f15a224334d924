// The side panel: checkpoints and curves, colour, lines, plane, and the chosen point.

import { CurvePanel, stepPlace } from "./curves.js";
import { bars, make, readout, section, thumbnail, tick } from "./elements.js";
import { KEYS } from "./gestures.js";
import { QUANTITIES, short } from "./quantities.js";

const PAGE = 18; // thumbnails at a time
const FRAME_TIME = 140; // milliseconds that a checkpoint is shown for while playing

export class Panel {
  constructor(explorer) {
    this.explorer = explorer;
    this.curves = [];
    this.first = 0;
    this.slot = 0;
    const { about } = explorer;
    this.count = make("p", { className: "sgx-count" });
    this.chosen = make("div", { className: "sgx-chosen" });
    this.help = make("div", { className: "sgx-keys", hidden: true }, readout(KEYS));
    this.element = make(
      "aside",
      { className: "sgx-panel" },
      make("h1", { textContent: about.title }),
      this.count,
      ...about.notes.map((note) => make("p", { className: "sgx-note", textContent: note })),
      this.chosen,
      this.training(about),
      this.colour(),
      this.lines(about),
      this.planePart(about),
      this.footer(),
      this.help,
    );
    this.selection();
    this.resized = new ResizeObserver(() => this.drawCurves());
    this.resized.observe(this.element);
  }

  // ---------------------------------------------------------------- checkpoints

  training({ checkpoints, panels }) {
    const { explorer } = this;
    if (checkpoints.length < 2) return null;
    this.slider = make("input", { type: "range", min: 0, max: checkpoints.length - 1, step: 1 });
    this.slider.setAttribute("aria-label", "checkpoint");
    this.slider.addEventListener("input", () => explorer.setCheckpoint(Number(this.slider.value)));
    this.stepLabel = make("div", { className: "sgx-step" });
    this.playButton = make("button", { textContent: "▶", title: "Play (space)", on: { click: () => this.play() } });
    const plots = panels.map(({ label, curves }) => this.plot(label, curves));
    const row = make("div", { className: "sgx-row" }, this.playButton, this.slider);
    return section("Training", this.stepLabel, row, ...plots);
  }

  plot(label, curves) {
    const canvas = make("canvas", { className: "sgx-curves" });
    const key = curves.map(({ name, colour }) => make("span", { textContent: name, style: `--colour:${colour}` }));
    this.curves.push(new CurvePanel(canvas, label, curves, (place) => this.goTo(place)));
    return make("figure", {}, make("figcaption", { className: "sgx-key", title: label }, ...key), canvas);
  }

  /** The checkpoint whose step is nearest to a place on the curves' axis. */
  goTo(place) {
    const away = this.explorer.about.checkpoints.map(({ step }) => Math.abs(stepPlace(step) - place));
    this.explorer.setCheckpoint(away.indexOf(Math.min(...away)));
  }

  async play() {
    const { explorer } = this;
    const last = explorer.about.checkpoints.length - 1;
    this.playing = !this.playing && last > 0;
    if (this.playButton) this.playButton.textContent = this.playing ? "❚❚" : "▶";
    if (!this.playing) return;
    if (explorer.checkpoint === last) await explorer.setCheckpoint(0);
    while (this.playing && explorer.checkpoint < last) {
      const pause = new Promise((done) => setTimeout(done, FRAME_TIME));
      await explorer.setCheckpoint(explorer.checkpoint + 1);
      await pause;
    }
    this.playing = false;
    this.playButton.textContent = "▶";
  }

  drawCurves() {
    const checkpoint = this.explorer.about.checkpoints[this.explorer.checkpoint];
    for (const curve of this.curves) curve.draw(checkpoint.step, window.devicePixelRatio || 1);
  }

  // ---------------------------------------------------------------- colour and lines

  colour() {
    const { explorer } = this;
    this.choice = make("select", { on: { change: () => explorer.setColor(this.choice.value) } });
    this.choice.setAttribute("aria-label", "colour by");
    for (const [name, { label }] of Object.entries(QUANTITIES)) {
      this.choice.append(make("option", { value: name, textContent: label }));
    }
    this.fixed = tick("keep this colour scale for all frames", false, (on) => explorer.fixScale(on));
    return section("Colour", this.choice, this.fixed);
  }

  lines({ layers, palettes }) {
    const { explorer } = this;
    const { look } = explorer;
    this.edges = tick("edges", look.edges, (edges) => explorer.setLook({ edges }));
    this.byLayer = tick("coloured by layer", look.byLayer, (byLayer) => explorer.setLook({ byLayer }));
    this.boundary = tick("decision boundary", look.boundary, (boundary) => explorer.setLook({ boundary }));
    const rows = layers.map((name, layer) => {
      const swatch = make("i", { className: "sgx-swatch" });
      swatch.style.background = `rgb(${palettes.line.slice(4 * layer, 4 * layer + 3).join(",")})`;
      return tick(`${layer + 1}  (${name})`, true, (on) => this.showLayer(layer, on), swatch);
    });
    const list = make("details", {}, make("summary", { textContent: "layers" }), ...rows);
    list.open = layers.length <= 8;
    return section("Lines", this.boundary, this.edges, this.byLayer, list);
  }

  showLayer(layer, on) {
    const hidden = new Set(this.explorer.look.hidden);
    if (on) hidden.delete(layer);
    else hidden.add(layer);
    this.explorer.setLook({ hidden });
  }

  // ---------------------------------------------------------------- plane

  planePart(about) {
    const { explorer } = this;
    const home = make("button", { textContent: "First view", title: "Home", on: { click: () => explorer.home() } });
    if (!about.tilts) return section("Plane", home);
    const dial = (label, turn) => {
      let before = 0;
      const input = make("input", { type: "range", min: -60, max: 60, step: 0.5, value: 0 });
      input.setAttribute("aria-label", label);
      input.addEventListener("input", () => {
        turn(((input.value - before) * Math.PI) / 180);
        before = Number(input.value);
      });
      input.addEventListener("change", () => {
        input.value = before = 0;
      });
      return make("label", { className: "sgx-dial" }, make("span", { textContent: label }), input);
    };
    const turn = dial("turn", (angle) => {
      explorer.camera.turn(angle);
      explorer.moved();
    });
    const tilts = [dial("tilt →", (angle) => explorer.tilt(angle, 0)), dial("tilt ↑", (angle) => explorer.tilt(0, angle))];
    return section("Plane", turn, ...tilts.slice(0, about.tilts), home, this.anchorPart(about));
  }

  /** The three data points that the plane goes through, and others to put in their place. */
  anchorPart({ data }) {
    if (!data) return null;
    this.slots = make("div", { className: "sgx-thumbs" });
    this.gallery = make("div", { className: "sgx-thumbs" });
    const page = (by) => () => this.browse(this.first + by);
    const buttons = [
      make("button", { textContent: "‹", title: "earlier data", on: { click: page(-PAGE) } }),
      make("button", { textContent: "›", title: "later data", on: { click: page(PAGE) } }),
    ];
    const words = "Anchors: choose one of the three, then what to put in its place.";
    this.browse(0);
    return make("div", {}, make("p", { className: "sgx-note", textContent: words }), this.slots, this.gallery, make("div", { className: "sgx-row" }, ...buttons));
  }

  async browse(first) {
    const { about, ask } = this.explorer;
    this.first = Math.max(0, Math.min(first, PAGE * Math.floor((about.data - 1) / PAGE)));
    const indices = Array.from({ length: Math.min(PAGE, about.data - this.first) }, (_, i) => this.first + i);
    this.gallery.replaceChildren(...(await this.thumbs(indices, ask, (index) => this.putAnchor(index))));
    this.showSlots();
  }

  async thumbs(indices, ask, click) {
    if (!indices.length) return [];
    const { header, arrays } = await ask({ ask: "data", indices });
    const size = header.shape ? header.shape[0] * header.shape[1] * header.shape[2] : 0;
    return indices.map((index, i) => {
      const pixels = size ? thumbnail(arrays.pixels.subarray(i * size, (i + 1) * size), header.shape) : make("span", { textContent: index });
      const title = header.labels ? `data point ${index}, label ${header.labels[i]}` : `data point ${index}`;
      return make("button", { className: "sgx-thumb", title, on: { click: () => click(index) } }, pixels);
    });
  }

  get anchors() {
    return this.explorer.plane.anchors ?? this.explorer.about.anchors;
  }

  async showSlots() {
    if (!this.slots) return;
    const buttons = this.anchors
      ? await this.thumbs(this.anchors, this.explorer.ask, () => null)
      : [0, 1, 2].map((i) => make("button", { className: "sgx-thumb", textContent: "ABC"[i] }));
    buttons.forEach((button, i) => {
      button.classList.toggle("sgx-active", i === this.slot);
      button.addEventListener("click", () => {
        this.slot = i;
        buttons.forEach((other, k) => other.classList.toggle("sgx-active", k === i));
      });
    });
    this.slots.replaceChildren(...buttons);
  }

  putAnchor(index) {
    const anchors = [...(this.anchors ?? this.firstOthers(index))];
    anchors[this.slot] = index;
    this.slot = (this.slot + 1) % 3;
    this.explorer.setAnchors(anchors);
    this.showSlots();
  }

  /** Where the first plane goes through no data, the first data points fill the other places. */
  firstOthers(index) {
    return [0, 1, 2, 3].filter((other) => other !== index).slice(0, 3);
  }

  // ---------------------------------------------------------------- the chosen point

  selection() {
    const { selected, scene, about } = this.explorer;
    this.chosen.hidden = !selected;
    if (!selected) return;
    const parts = [readout([["at", selected.at.map(short).join(", ")], ...this.explorer.describe(Math.max(0, scene.locate(selected.at)))])];
    if (selected.answer) parts.push(...this.probed(selected.answer, about));
    else if (!about.probe) parts.push(make("p", { className: "sgx-note", textContent: "There is no network here that could be asked for more." }));
    const forget = make("button", { textContent: "×", title: "Forget the point (esc)", on: { click: () => this.explorer.select(null) } });
    forget.className = "sgx-forget";
    this.chosen.replaceChildren(forget, section("Chosen point", ...parts));
    if (!selected.answer) this.element.scrollTop = 0;
  }

  probed({ header, arrays }, about) {
    const parts = [];
    if (header.shape) parts.push(thumbnail(arrays.pixels, header.shape));
    else if (header.input) parts.push(readout([["input", header.input.map(short).join(", ")]]));
    if (header.outputs.length <= 40) parts.push(bars(about.classes.length === header.outputs.length ? about.classes : ["f"], header.outputs, short));
    if (header.complexity) {
      const { total, layers, radius, dim } = header.complexity;
      const sum = layers.length > 1 && layers.length <= 8 ? `${total} = ${layers.join(" + ")}` : String(total);
      const words = `Zero sets that meet the cross-polytope of radius ${short(radius)} in ${dim} directions, by layer.`;
      parts.push(readout([["local complexity", sum]]), make("p", { className: "sgx-note", textContent: words }));
    }
    return parts;
  }

  // ---------------------------------------------------------------- the rest

  footer() {
    const { explorer } = this;
    const button = (textContent, title, click) => make("button", { textContent, title, on: { click } });
    return make(
      "div",
      { className: "sgx-row sgx-footer" },
      button("PNG", "Save the picture as PNG (p)", () => explorer.savePng()),
      button("SVG", "Save the picture as SVG (s)", () => explorer.saveSvg()),
      button("keys", "List the keys (?)", () => this.toggleHelp()),
    );
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
    if (!this.help.hidden) this.help.scrollIntoView({ block: "nearest" });
  }

  status() {
    const { scene, about, seconds, camera } = this.explorer;
    const where = about.live ? "in view" : "in this partition";
    const zoom = camera.home.size / camera.size;
    const time = about.live ? ` · ${seconds.toFixed(2)} s` : "";
    const near = zoom > 1.5 ? ` · ×${short(Number(zoom.toPrecision(3)))}` : "";
    const regions = scene.nRegions === 1 ? "1 region" : `${scene.nRegions.toLocaleString("en")} regions`;
    this.count.textContent = `${regions} ${where}${near}${time}`;
  }

  update() {
    const { explorer } = this;
    const { about, checkpoint, look, known } = explorer;
    if (this.slider) {
      this.slider.value = checkpoint;
      this.stepLabel.textContent = about.checkpoints[checkpoint].label;
      this.drawCurves();
    }
    for (const option of this.choice.options) option.disabled = !known.includes(option.value);
    if (explorer.scene) this.choice.value = explorer.colouring(explorer.scene).name;
    const boxes = [[this.fixed, look.fixed !== null], [this.edges, look.edges], [this.byLayer, look.byLayer], [this.boundary, look.boundary]];
    for (const [label, on] of boxes) label.querySelector("input").checked = on;
  }

  close() {
    this.playing = false;
    this.resized.disconnect();
  }
}
