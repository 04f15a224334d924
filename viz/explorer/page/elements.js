// Small pieces of the page: elements, thumbnails, bars.

/** An element with properties and children; `on` holds its listeners. */
export function make(tag, { on = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A titled part of the side panel. */
export function section(title, ...children) {
  return make("section", {}, make("h2", { textContent: title }), ...children);
}

/** A box to tick, with its label. */
export function tick(label, checked, change, swatch = null) {
  const box = make("input", { type: "checkbox", checked, on: { change: () => change(box.checked) } });
  return make("label", { className: "sgx-tick" }, box, swatch, make("span", { textContent: label }));
}

/** An image of (height, width, channels) bytes. */
export function thumbnail(pixels, [height, width, channels]) {
  const canvas = make("canvas", { width, height, className: "sgx-thumbnail" });
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[channels * i + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Numbers as bars around zero, with their names. */
export function bars(names, values, show) {
  const largest = Math.max(...values.map(Math.abs), 1e-300);
  const best = values.indexOf(Math.max(...values));
  const rows = values.map((value, i) => {
    const share = (50 * Math.abs(value)) / largest;
    const bar = make("i", { style: `left:${value < 0 ? 50 - share : 50}%;width:${share}%` });
    const row = make("div", { className: values.length > 1 && i === best ? "sgx-bar sgx-best" : "sgx-bar" });
    row.append(make("b", { textContent: names[i] ?? i }), make("u", {}, bar), make("span", { textContent: show(value) }));
    return row;
  });
  return make("div", { className: "sgx-bars" }, ...rows);
}

/** Names and values, one pair a line. */
export function readout(rows) {
  const list = make("dl", { className: "sgx-readout" });
  for (const [name, value] of rows) list.append(make("dt", { textContent: name }), make("dd", { textContent: value }));
  return list;
}
