"""One real browser for all tests that need one, and small networks to look at in it."""

import os
import shutil
import time
from itertools import pairwise

import pytest
import torch

import splinegeo as sg

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

# Software rendering, and nothing that the browser asks the internet for on its own.
FLAGS = (
    *("--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-quic", "--disable-extensions"),
)
PATIENCE = 120.0


def no_browser(why):
    if os.environ.get("CI"):
        pytest.fail(f"the explorer is tested in a real browser, and there is none: {why}")
    pytest.skip(f"no browser to test the explorer in: {why}")


@pytest.fixture(scope="session")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        no_browser("install chromium")
    if sync_playwright is None:
        no_browser("install playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class Window:
    """A page with an explorer, and everything that it said or asked for."""

    def __init__(self, browser, address, size=(620, 420), ratio=1):
        width, height = size
        self.page = browser.new_page(
            viewport={"width": width, "height": height}, device_scale_factor=ratio, reduced_motion="reduce"
        )
        self.page.set_default_timeout(1000 * PATIENCE)
        self.errors, self.requests = [], []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        if address:
            self.page.goto(address)
            self.wait("window.splinegeo && splinegeo.scene && !splinegeo.asking")

    def __call__(self, code):
        """The value of an expression in the page."""
        return self.page.evaluate(code)

    def wait(self, condition):
        # Polled from here: the page's own content policy forbids the evaluation that playwright would poll with.
        end = time.monotonic() + PATIENCE
        while not self.page.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < end, f"never came true: {condition}; {self.errors}"
            time.sleep(0.02)

    def settle(self, action):
        """Do something in the page, and wait until everything that it asks for is there and drawn."""
        self.page.evaluate(f"(async () => {{ {action}; await splinegeo.asking; splinegeo.draw(); }})()")


@pytest.fixture
def window(chromium):
    """Opens pages, and holds that none of them complained or asked any other place for anything."""
    opened = []

    def open_page(address, **options):
        opened.append(Window(chromium, address, **options))
        return opened[-1]

    yield open_page
    for one in opened:
        one.page.close()
        assert one.errors == [], one.errors
        allowed = ("file:///", "data:", "blob:", "http://127.0.0.1:")
        assert all(url.startswith(allowed) for url in one.requests), one.requests


def mlp(*widths, seed=0):
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


@pytest.fixture(scope="session")
def model():
    return mlp(2, 24, 24, 3)


@pytest.fixture(scope="session")
def square():
    return sg.Slice.box((-2, 2), (-2, 2))


@pytest.fixture(scope="session")
def parts(model, square):
    return sg.compute_partitions(model, square, states=[mlp(2, 24, 24, 3, seed=s).state_dict() for s in (1, 2, 0)])
