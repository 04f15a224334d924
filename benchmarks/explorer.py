"""The explorer: from a change of the view to its picture, the size of a page, the first picture of many polygons.

    splinegeo demo --out demo
    python -m benchmarks.explorer demo

drives headless Chromium, which draws in software: on a machine with a graphics card the browser's part is smaller.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from splinegeo.viz.explorer import ExplorerServer, source_of
from splinegeo.viz.explorer.answers import answer

import splinegeo as sg
from splinegeo import viz
from splinegeo.cli.sources import Run

FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SIZE = {"width": 992, "height": 700}  # a square picture beside the panel
REPEATS = 9
# What is drawn is read back, so that drawing has ended.
TURN = """async () => {
  const pixel = new Uint8Array(4), gl = splinegeo.painter.gl, start = performance.now();
  splinegeo.camera.turn(0.01); splinegeo.moved();
  await splinegeo.asking;
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  return [(performance.now() - start) / 1000, splinegeo.scene.nRegions];
}"""
FIRST = """() => { const gl = splinegeo.painter.gl; splinegeo.draw();
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  return [performance.now() / 1000, splinegeo.scene.nRegions]; }"""
PICK = """() => { const { camera, scene } = splinegeo, n = 100000; let found = scene.locate(camera.centre);
  const start = performance.now();
  const point = () => camera.toSlice([Math.random() * camera.width, Math.random() * camera.height]);
  for (let i = 0; i < n; i++) found += scene.locate(point());
  return 1000 * (performance.now() - start) / n; }"""


def ready(page: Page, address: str) -> None:
    """Open a page and wait for its first picture."""
    page.goto(address)
    while not page.evaluate("Boolean(window.splinegeo?.scene && !splinegeo.asking)"):
        time.sleep(0.01)


def live(page: Page, run: Run) -> None:
    """View changes at the last checkpoint, and what of them the server takes."""
    data, labels = run.digits() or (None, [])
    source = source_of(run.model(), run.domain(data, labels))
    with ExplorerServer(source, "benchmark") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ready(page, server.address)
        page.evaluate(TURN)
        found = [page.evaluate(TURN) for _ in range(REPEATS)]
        seconds = statistics.median(s for s, _ in found)
        message = page.evaluate("splinegeo.message")
        alone = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            answer(source, message)
            alone.append(time.perf_counter() - start)
        server.shutdown()
    took, n = statistics.median(alone), found[-1][1]
    print(f"view change to picture, {n:,} regions: {seconds:.2f} s, of it the server's answer {took:.2f} s")


def many(page: Page, run: Run, folder: Path) -> None:
    """A page of one partition of 10^5 polygons."""
    model, factor = run.checkpoints[0].model(), 1.0
    domain = run.domain(None, [])
    part = sg.compute_partition(model, domain)
    while part.n_regions < 100_000:
        factor *= 1.3
        window = factor * domain.window
        part = sg.compute_partition(model, sg.Slice(domain.origin, domain.basis, window, domain.input_shape))
    path = viz.write_html([part], folder / "many.html")
    ready(page, path.as_uri())
    seconds, n = page.evaluate(FIRST)
    size = path.stat().st_size / 1e6
    print(f"first picture of a page of {n:,} polygons, {size:.1f} MB: {seconds:.2f} s after it was opened")
    print(f"picking: {page.evaluate(PICK):.1f} microseconds a point")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder that `splinegeo demo` filled")
    run = Run.of(parser.parse_args().run)
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        live(browser.new_page(viewport=SIZE), run)
        many(browser.new_page(viewport=SIZE), run, Path(folder))
        browser.close()


if __name__ == "__main__":
    main()
