"""The live explorer in a real browser: every view is computed anew, exactly; what goes wrong is said in words."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from splinegeo.viz.explorer import ExplorerServer, source_of
from splinegeo.viz.explorer.planes import View

import splinegeo as sg

from .conftest import mlp


@contextmanager
def served(source):
    with ExplorerServer(source, "test") as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def states():
    return [mlp(2, 24, 24, 3, seed=seed).state_dict() for seed in (1, 2, 0)]


@pytest.fixture(scope="module")
def server(model, square, states):
    with served(source_of(model, square, states=states, steps=[1, 10, 100])) as one:
        yield one


def seen(one, model, plane):
    """The partition of what a page shows, computed here."""
    view = View.of(one("splinegeo.camera.view"))
    return sg.compute_partition(model, view.window(plane, one("splinegeo.camera.window")))


def test_every_view_is_the_exact_partition(window, server, model, square):
    one = window(server.address)
    assert one("splinegeo.scene.nRegions") == seen(one, model, square).n_regions
    one.page.mouse.move(200, 150)
    for _ in range(3):
        one.page.mouse.wheel(0, -300)
    one.wait("!splinegeo.asking && splinegeo.camera.size < 0.9 * splinegeo.about.view.size")
    assert one("splinegeo.scene.nRegions") == seen(one, model, square).n_regions
    one.settle("splinegeo.camera.turn(0.7); splinegeo.moved()")
    part = seen(one, model, square)
    assert one("splinegeo.scene.nRegions") == part.n_regions
    assert f"{part.n_regions:,} regions in view" in one.page.inner_text(".sgx-count")
    u = part.domain.window.mean(axis=0) + 0.4 * (part.domain.window - part.domain.window.mean(axis=0))
    picked = one.page.evaluate("points => points.map((u) => splinegeo.scene.locate(u))", u.tolist())
    assert [tuple(part.region(r).mean(0).round(6)) for r in part.locate(u)] == [
        tuple(np.round(one.page.evaluate(MEAN, r), 6)) for r in picked
    ]


MEAN = """r => { const s = splinegeo.scene, m = [0, 0], n = s.sizes[r];
  for (let k = s.offsets[r]; k < s.offsets[r + 1]; k++) for (const a of [0, 1])
    m[a] += (s.centre[a] + s.scale * s.vertices[2 * s.loops[k] + a]) / n;
  return m; }"""


def test_zoom_to_the_ninth_power(window, server, model, square):
    """At a vertex the picture has several regions however far one zooms in, and float32 still tells them apart."""
    one = window(server.address)
    part = sg.compute_partition(model, square)
    inner = np.setdiff1d(np.arange(part.n_vertices), part.edges[part.edge_layer < 0])
    vertex = part.vertices[inner[len(inner) // 2]].tolist()
    for power in (3, 6, 9):
        one.page.evaluate("v => splinegeo.take('view', v)", {"centre": vertex, "size": 4 * 10.0**-power, "angle": 0.2})
        one.wait("!splinegeo.asking")
        view = seen(one, model, square)
        assert one("splinegeo.scene.nRegions") == view.n_regions >= 3
        count = len({tuple(rgb) for rgb in one.page.evaluate(GRID)})
        assert count >= 3
    assert one("splinegeo.camera.size") == pytest.approx(4e-9)
    one.settle("splinegeo.camera.zoom(1e6); splinegeo.moved()")
    assert one("splinegeo.camera.size") == pytest.approx(4e-9)  # no farther: coordinates themselves are rounding there


GRID = """() => { const g = splinegeo.painter.gl, p = new Uint8Array(4 * 400 * 400), found = [];
  splinegeo.setLook({ edges: false, boundary: false }); splinegeo.setColor("area"); splinegeo.draw();
  g.readPixels(0, 0, 300, 400, g.RGBA, g.UNSIGNED_BYTE, p);
  for (let i = 0; i < 300 * 400; i += 37) found.push([...p.slice(4 * i, 4 * i + 3)]);
  return found; }"""


def test_checkpoints_and_answers_that_come_too_late(window, server, square):
    one = window(server.address)
    one.page.evaluate("splinegeo.setCheckpoint(0), splinegeo.setCheckpoint(2), splinegeo.setCheckpoint(1)")
    one.wait("!splinegeo.asking")
    assert one("splinegeo.dropped") >= 1
    assert one("splinegeo.scene.nRegions") == seen(one, mlp(2, 24, 24, 3, seed=2), square).n_regions
    assert "step 10" in one.page.inner_text(".sgx-step")


def test_a_point_is_asked_for_everything(window, server, model):
    one = window(server.address)
    one.page.mouse.click(150, 200)
    one.wait("splinegeo.selected?.answer")
    at = one("splinegeo.selected.at")
    got = one("splinegeo.selected.answer.header")
    x = sg.Slice.box((-2, 2), (-2, 2)).embed([at])
    np.testing.assert_allclose(got["outputs"], model(x.float())[0].detach(), rtol=1e-5, atol=1e-6)
    counted = sg.local_complexity(model, x, radius=got["complexity"]["radius"], dim=2)
    assert got["complexity"]["layers"] == counted.counts[0].tolist()
    np.testing.assert_allclose(got["input"], at)
    assert "local complexity" in one.page.inner_text(".sgx-panel")


def test_two_windows_at_once(window, server, model, square):
    first, second = window(server.address), window(server.address, size=(500, 400))
    first("splinegeo.camera.zoom(2), splinegeo.moved(), splinegeo.setCheckpoint(0)")
    second("splinegeo.camera.zoom(3), splinegeo.moved()")
    for one, of in ((first, mlp(2, 24, 24, 3, seed=1)), (second, model)):
        one.wait("!splinegeo.asking")
        assert one("splinegeo.scene.nRegions") == seen(one, of, square).n_regions


def test_too_many_regions_are_refused_in_words(window, model, square):
    with served(source_of(model, square, max_regions=100)) as one:
        page = window(None)
        page.page.goto(one.address)
        page.wait("document.querySelector('.sgx-banner')?.textContent.includes('max_regions=100')")
        page.settle("splinegeo.camera.zoom(30); await splinegeo.refresh()")
        assert 0 < page("splinegeo.scene.nRegions") <= 100
        assert page("splinegeo.root.querySelector('.sgx-banner').hidden")


def test_a_server_that_is_gone(window, model, square):
    with served(source_of(model, square)) as one:
        page = window(one.address)
        n = page("splinegeo.scene.nRegions")
    one.server_close()
    page.settle("splinegeo.camera.zoom(2); splinegeo.moved()")
    page.wait("!splinegeo.root.querySelector('.sgx-banner').hidden")
    assert "does not answer" in page.page.inner_text(".sgx-banner")
    assert page("splinegeo.scene.nRegions") == n  # the old picture moves along
    page.errors[:] = [e for e in page.errors if "ERR_CONNECTION" not in e and "Failed to load" not in e]


@pytest.fixture(scope="module")
def images():
    return torch.nn.Sequential(torch.nn.Flatten(), *mlp(25, 16, 16, 4)), np.random.default_rng(0).random((8, 5, 5))


def test_tilts_and_other_anchors(window, images):
    model, data = images
    source = source_of(model, data=data, labels=list("abcdefgh"), data_anchors=[0, 1, 2])
    with served(source) as one:
        page = window(one.address, size=(900, 420))
        planes = source.planes
        assert page("splinegeo.scene.nRegions") == seen(page, model, planes.first).n_regions
        page.page.locator(".sgx-above").focus()
        page.page.keyboard.press("i")
        page.page.keyboard.press("l")
        page.wait("!splinegeo.asking && splinegeo.plane.moves.length === 1")
        tilted = planes.plane(page("splinegeo.plane"))
        assert np.abs(planes.first.basis.T @ tilted.basis - np.eye(2)).max() > 1e-4
        assert page("splinegeo.scene.nRegions") == seen(page, model, tilted).n_regions
        page.page.keyboard.press("Home")
        page.wait("!splinegeo.asking && splinegeo.plane.moves.length === 0")
        page.page.locator(".sgx-thumbs").last.locator("button").nth(5).click()
        page.wait("!splinegeo.asking && splinegeo.plane.anchors")
        assert page("splinegeo.plane.anchors") == [5, 1, 2]
        moved = sg.Slice.through(*data[[5, 1, 2]])
        assert page("splinegeo.scene.nRegions") == seen(page, model, moved).n_regions
        assert sorted(m["label"] for m in page("splinegeo.markers")) == ["b", "c", "f"]
        marked = np.array([m["at"] for m in page("splinegeo.markers")])
        np.testing.assert_allclose(marked, moved.project(data[[5, 1, 2]]), atol=1e-9)
        page.page.mouse.click(150, 200)
        page.wait("splinegeo.selected?.answer")
        assert page("splinegeo.selected.answer.header.shape") == [5, 5, 1]
