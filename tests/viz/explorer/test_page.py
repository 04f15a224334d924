"""A shared page in a real browser: what it draws, finds and saves is what the partitions say."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image
from splinegeo.viz.explorer.palettes import palettes

import splinegeo as sg
from splinegeo import viz

STEPS = [1, 10, 100]
CURVES = {"train accuracy": (STEPS, [0.2, 0.5, 0.9]), "test accuracy": (STEPS, [0.1, 0.4, 0.7])}
PIXELS = """points => {
  const gl = splinegeo.painter.gl, ratio = splinegeo.ratio, found = [], pixel = new Uint8Array(4);
  for (const [x, y] of points) {
    const place = [Math.floor(x * ratio), gl.canvas.height - 1 - Math.floor(y * ratio)];
    gl.readPixels(...place, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    found.push([[...pixel.slice(0, 3)], splinegeo.camera.toSlice([x, y])]);
  }
  return found; }"""
PLAIN = "splinegeo.setLook({ edges: false, boundary: false }); splinegeo.setColor('COLOUR')"


@pytest.fixture(scope="module")
def address(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "run.html"
    viz.write_html(parts, path, title="a < b", steps=STEPS, curves=CURVES, anchors=[[0.5, 0.5]], anchor_labels=["P"])
    return path.as_uri()


def colours(window, part, color, n=200, margin=1.5):
    """Colours of random pixels, and what the partition says they are: all but those within `margin` of an edge."""
    window.settle(PLAIN.replace("COLOUR", color))
    width, height = window("[splinegeo.camera.width, splinegeo.camera.height]")
    rng = np.random.default_rng(0)
    # Pixels are compared at their centres.
    points = np.floor(rng.uniform([4, 4], [width - 4, height - 4], (4 * n, 2))) + 0.5
    seen = window.page.evaluate(PIXELS, points.tolist())
    rgb, u = (np.array(column) for column in zip(*seen, strict=True))
    unit = window("splinegeo.camera.unit")
    around = margin * unit * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1], [-1, 1], [-1, -1]])
    located = part.locate((u[:, None] + around).reshape(-1, 2)).reshape(len(u), -1)
    inside = (located == located[:, :1]).all(axis=1)
    assert inside.sum() >= n
    return rgb[inside][:n], located[inside][:n, 0]


def expected(window, part, color, region):
    table = palettes(3, len(part.layer_names))
    palette = table[{"slope_norm": "slope", "class": "class", "layer": "layer", "area": "area"}[color]]
    low, high = window("splinegeo.legend.limits")
    if color == "class":
        output = np.einsum("roi,ri->ro", part.slope, part.centroids) + part.offset
        level = output.argmax(axis=1).astype(float)
    elif color == "layer":
        level = sg.region_statistics(part)["layer"].astype(float)
    else:
        level = np.log(part.slope_norm() if color == "slope_norm" else part.areas)
    index = (level - low) / (high - low) * len(palette)
    return palette, index[region]


def matches(rgb, palette, index, slack):
    """Whether each colour is that of its place in the palette, give or take `slack` colours."""
    places = [np.floor(index + shift).clip(0, len(palette) - 1).astype(int) for shift in (-slack, slack)]
    return np.any([(np.abs(rgb.astype(int) - palette[place, :3]) <= 1).all(axis=1) for place in places], axis=0)


@pytest.mark.parametrize("ratio", [1, 2])
def test_pixels_are_where_the_partition_says(window, address, parts, ratio):
    one = window(address, ratio=ratio)
    for color in ("slope_norm", "class", "layer", "area"):
        rgb, region = colours(one, parts[-1], color)
        assert (region < 0).any()  # left and right of the square it is white
        assert (rgb[region < 0] == 255).all()
        palette, index = expected(one, parts[-1], color, region)
        # Rounded values may fall on either side of a colour's end.
        assert matches(rgb, palette, index, 0.02)[region >= 0].all()
        assert len(np.unique(rgb, axis=0)) > 2


def test_picking_agrees_with_locate(window, address, parts):
    one = window(address)
    part = parts[-1]
    u = np.random.default_rng(1).uniform(-2.2, 2.2, (2000, 2))
    picked = np.array(one.page.evaluate("points => points.map((u) => splinegeo.scene.locate(u))", u.tolist()))
    located = part.locate(u)
    differs = np.flatnonzero(picked != located)
    # Positions are rounded to 1/65535 of the window: only what lies that close to an edge may be found next door.
    step = 4 / 65535
    near = sg.distance_to_edges(part, u[differs])
    border = np.abs(2 - np.abs(u[differs])).min(axis=1)
    assert (np.minimum(near, border) < step).all()
    assert len(differs) < 20
    assert (located < 0).any()


def test_the_slider_changes_frames(window, address, parts):
    one = window(address)
    slider = one.page.locator("input[type=range]").first
    for k in (0, 1, 2):
        slider.fill(str(k))
        one.wait(f"!splinegeo.asking && splinegeo.scene.nRegions === {parts[k].n_regions}")
        assert f"{parts[k].n_regions:,} regions" in one.page.inner_text(".sgx-count")
        assert f"step {STEPS[k]}" in one.page.inner_text(".sgx-step")
    assert one.page.title() == "a < b"
    assert one("splinegeo.markers.map((m) => [m.label, ...m.at])") == [["P", 0.5, 0.5]]


def test_a_frame_holds_all_that_the_partition_holds(window, address, parts):
    """Vertices, loops, edges, units, boundary: what was packed comes out again."""
    one, part = window(address), parts[-1]
    names = ("sizes", "loops", "vertices", "edges", "loop_edges", "edge_layer", "edge_unit", "slope_norm", "boundary")
    got = {name: np.array(one(f"Array.from(splinegeo.scene.{name})")) for name in names}
    np.testing.assert_array_equal(got["sizes"], np.diff(part.region_offsets))
    corners = got["vertices"].reshape(-1, 2)[got["loops"]] * 2
    np.testing.assert_allclose(corners, part.vertices[part.region_vertices], rtol=0, atol=2.1 / 65535)
    assert got["edges"].size == 2 * part.n_edges
    ends = got["edges"].reshape(-1, 2)[got["loop_edges"]]
    assert ((ends == got["loops"][:, None]).any(axis=1)).all()  # a slot's edge leaves its vertex
    for name, wanted in (("edge_layer", part.edge_layer), ("edge_unit", np.maximum(part.edge_unit, 0))):
        np.testing.assert_array_equal(got[name][got["loop_edges"]], wanted[part.region_edges])
    np.testing.assert_allclose(got["slope_norm"], part.slope_norm(), rtol=1e-3)
    length = np.linalg.norm(np.diff(got["boundary"].reshape(-1, 2, 2) * 2, axis=1), axis=2).sum()
    np.testing.assert_allclose(length, sg.decision_boundary(part).length, rtol=1e-5)


def test_edge_density_is_the_length_of_edges_around(window, address, parts):
    """At each region's centre: length of the zero sets, weighted by a Gaussian of 2 % of the window, over its area."""
    one, part = window(address), parts[-1]
    one.settle("splinegeo.setColor('complexity')")
    density = np.array(one("Array.from(splinegeo.colouring(splinegeo.scene).quantity.values)"))
    sigma, t = 0.02 * 4, (np.arange(64) + 0.5) / 64
    ends = part.vertices[part.edges[part.edge_layer >= 0]]
    points = (ends[:, 0, None] + t[:, None] * (ends[:, 1] - ends[:, 0])[:, None]).reshape(-1, 2)
    length = np.repeat(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) / 64, 64)
    away = np.linalg.norm(part.centroids[:, None] - points, axis=2)
    weighted = (np.exp(-0.5 * (away / sigma) ** 2) * length).sum(axis=1) / (2 * np.pi * sigma**2)
    inner = np.abs(part.centroids).max(axis=1) < 2 - 3 * sigma  # nearer to the border the area is cut off
    error = np.abs(density / weighted - 1)[inner]
    assert np.median(error) < 0.03
    assert error.max() < 0.3


def test_files_show_the_view(window, address, parts):
    one = window(address)
    one.page.locator(".sgx-above").focus()
    with one.page.expect_download() as saved:
        one.page.keyboard.press("p")
    with Image.open(saved.value.path()) as image:
        assert image.size == tuple(one("[splinegeo.below.width, splinegeo.below.height]"))
        assert len(image.convert("RGB").getcolors(2**20)) > 50
    root = ElementTree.parse(io.StringIO(one("splinegeo.svg"))).getroot()
    paths = [p for p in root.iter("{http://www.w3.org/2000/svg}path") if p.get("fill") != "none"]
    assert sum(p.get("d").count("M") for p in paths) == parts[-1].n_regions


def test_keys(window, address):
    one = window(address)
    one.page.locator(".sgx-above").focus()
    before = one("splinegeo.camera.view")
    for key in ("+", "ArrowRight", "ArrowUp", "q"):
        one.page.keyboard.press(key)
    after = one("splinegeo.camera.view")
    assert after["size"] == pytest.approx(before["size"] / 1.5)
    assert after["centre"][0] > before["centre"][0]
    assert after["centre"][1] > before["centre"][1]
    assert after["angle"] > 0
    one.page.keyboard.press("Home")
    assert one("splinegeo.camera.view") == before
    for key, state in (("b", "look.boundary"), ("g", "look.edges"), ("f", "look.fixed !== null")):
        was = one(f"splinegeo.{state}")
        one.page.keyboard.press(key)
        assert one(f"splinegeo.{state}") != was
    one.page.keyboard.press(",")
    one.wait("splinegeo.checkpoint === 1 && !splinegeo.asking")
    one.page.keyboard.press("c")
    assert one("splinegeo.color") == "class"


def test_what_is_under_the_cursor(window, address, parts):
    one, part = window(address), parts[-1]
    region = int(np.argmax(part.areas))
    x, y = one.page.evaluate("u => splinegeo.camera.toScreen(u)", part.centroids[region].tolist())
    one.page.mouse.move(x, y)
    tip = one.page.inner_text(".sgx-tip")
    assert f"{part.slope_norm()[region]:.4g}"[:5] in tip
    one.page.mouse.click(x, y)
    assert "no network" in one.page.inner_text(".sgx-panel")
    length = np.linalg.norm(np.diff(part.vertices[part.edges], axis=1)[:, 0], axis=1)
    edge = int(np.argmax(np.where(part.edge_layer >= 0, length, 0)))
    x, y = one.page.evaluate("u => splinegeo.camera.toScreen(u)", part.vertices[part.edges[edge]].mean(axis=0).tolist())
    one.page.mouse.move(x + 1, y)
    layer, (unit,) = part.unit_of_edge(edge)
    assert f"unit {unit} of layer {part.layer_names.index(layer) + 1}" in one.page.inner_text(".sgx-tip")


def test_views_stay_sound(window, address):
    one = window(address)
    before = one("splinegeo.camera.view")
    one("splinegeo.take('view', { centre: [NaN, 0], size: 1, angle: 0 })")
    one("splinegeo.take('view', { centre: [0, 0], size: -1, angle: 0 })")
    one("splinegeo.take('checkpoint', NaN)")
    assert one("splinegeo.camera.view") == before
    for _ in range(40):
        one("splinegeo.gestures.zoom(4)")
    assert one("splinegeo.camera.size") == pytest.approx(before["size"] / 64)


def test_regions_that_are_not_convex(window, parts, tmp_path):
    merged = sg.linear_regions(parts[0])
    path = viz.write_html([merged], tmp_path / "merged.html", color="area")
    one = window(path.as_uri())
    rgb, region = colours(one, merged, "area")
    palette, index = expected(one, merged, "area", region)
    inside = region >= 0
    assert matches(rgb, palette, index, 0.1)[inside].mean() > 0.99


def test_partitions_without_maps_show_what_they_hold(window, parts, tmp_path):
    parts[0].save(tmp_path / "bare.npz", maps=False)
    path = viz.write_html([sg.Partition.load(tmp_path / "bare.npz")], tmp_path / "bare.html", color="class")
    one = window(path.as_uri())
    assert one("splinegeo.known") == ["slope_norm", "layer", "area", "complexity"]
    assert one("splinegeo.legend.name") == "slope_norm"
