// Curves over the training steps, with the step that is shown; a click goes to the nearest checkpoint.

const FRAME = { left: 40, right: 18, top: 8, bottom: 30 };

/** Places of steps on an axis on which 0 has a place, left of 1, and powers of ten are equally far apart. */
export function stepPlace(step) {
  return step < 1 ? 0.4 * step : 0.4 + Math.log10(step);
}

/** One panel: a canvas that draws its curves and the current step. */
export class CurvePanel {
  constructor(canvas, label, curves, choose) {
    Object.assign(this, { canvas, label, curves });
    const steps = curves.flatMap((curve) => curve.steps);
    this.places = [Math.min(...steps), Math.max(...steps)].map(stepPlace);
    const values = curves.flatMap((curve) => curve.values).filter(Number.isFinite);
    this.low = Math.min(...values);
    this.high = Math.max(...values);
    this.log = this.low > 0 && this.high / this.low > 30;
    if (!this.log && this.low >= 0 && this.high <= 1 && this.high > 0.3) [this.low, this.high] = [0, 1];
    if (!(this.high > this.low)) this.high = this.low + 1;
    const pick = (event) => {
      if (event.buttons !== 1) return;
      const t = (event.offsetX - FRAME.left) / (canvas.clientWidth - FRAME.left - FRAME.right);
      choose(this.places[0] + t * (this.places[1] - this.places[0]));
    };
    canvas.addEventListener("pointerdown", pick);
    canvas.addEventListener("pointermove", pick);
  }

  draw(step, ratio) {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = "10.5px system-ui, 'Segoe UI', sans-serif";
    const inner = [width - FRAME.left - FRAME.right, height - FRAME.top - FRAME.bottom];
    const x = (s) => FRAME.left + (inner[0] * (stepPlace(s) - this.places[0])) / (this.places[1] - this.places[0] || 1);
    const scaled = (v) => (this.log ? Math.log(v / this.low) / Math.log(this.high / this.low) : (v - this.low) / (this.high - this.low));
    const y = (v) => FRAME.top + inner[1] * (1 - scaled(v));
    this.axes(pen, x, y, width, height);
    for (const curve of this.curves) {
      pen.strokeStyle = curve.colour;
      pen.lineWidth = 1.7;
      pen.lineJoin = "round";
      pen.beginPath();
      curve.steps.forEach((s, i) => Number.isFinite(curve.values[i]) && pen.lineTo(x(s), y(curve.values[i])));
      pen.stroke();
    }
    if (step !== null) {
      pen.strokeStyle = "#1c1c24";
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(x(step), FRAME.top);
      pen.lineTo(x(step), height - FRAME.bottom);
      pen.stroke();
    }
  }

  axes(pen, x, y, width, height) {
    const bottom = height - FRAME.bottom;
    pen.strokeStyle = "#e3e3e8";
    pen.fillStyle = "#55555f";
    pen.lineWidth = 1;
    const line = (x0, y0, x1, y1) => {
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.lineTo(x1, y1);
      pen.stroke();
    };
    pen.textAlign = "center";
    for (let power = -1; power < 12; power++) {
      const s = power < 0 ? 0 : 10 ** power;
      if (stepPlace(s) < this.places[0] - 1e-9 || stepPlace(s) > this.places[1] + 1e-9) continue;
      line(x(s), FRAME.top, x(s), bottom);
      pen.fillText(power < 0 ? "0" : power < 4 ? String(s) : `10${"⁰¹²³⁴⁵⁶⁷⁸⁹"[power] ?? ""}`, x(s), bottom + 12);
    }
    pen.textAlign = "right";
    for (let k = 0; k <= 2; k++) {
      const v = this.log ? this.low * (this.high / this.low) ** (k / 2) : this.low + ((this.high - this.low) * k) / 2;
      line(FRAME.left, y(v), width - FRAME.right, y(v));
      pen.fillText(String(Number(v.toPrecision(2))), FRAME.left - 5, y(v) + 3.5);
    }
    pen.textAlign = "center";
    pen.fillText("optimiser step", (FRAME.left + width - FRAME.right) / 2, height - 4);
  }
}
