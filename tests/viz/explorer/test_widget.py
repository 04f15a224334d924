"""The widget: traits both ways, questions to the kernel; in a real browser with a notebook's half played by a stub."""

import base64
import sys

import pytest
from splinegeo.viz.explorer.module import module, page
from splinegeo.viz.explorer.planes import View

import splinegeo as sg
from splinegeo import viz

pytest.importorskip("anywidget")


@pytest.fixture
def widget(model, square):
    return viz.explore(model, square, states=[model.state_dict()] * 2, height=300)


def test_traits_are_checked(widget):
    assert (widget.view, widget.checkpoint, widget.selected) == (None, 1, None)
    widget.view = {"centre": [0, 1], "size": 2}
    assert widget.view == {"centre": [0.0, 1.0], "size": 2.0, "angle": 0.0}
    for bad in ({"centre": [float("nan"), 0], "size": 1}, {"size": 1}, {}):
        with pytest.raises(sg.InvalidInputError, match="finite"):
            widget.view = bad
    with pytest.raises(sg.InvalidInputError, match="checkpoint 2"):
        widget.checkpoint = 2
    widget.selected = (0.5, 0.25)
    assert widget.selected == {"at": [0.5, 0.25]}
    with pytest.raises(sg.InvalidInputError, match="a point"):
        widget.selected = "here"


def test_without_anywidget_it_says_what_to_install(model, square, monkeypatch):
    monkeypatch.setitem(sys.modules, "splinegeo.viz.explorer.widget", None)
    with pytest.raises(sg.InvalidInputError, match=r"pip install 'splinegeo\[explore\]'"):
        viz.explore(model, square)


# A notebook's half of a widget: traits with listeners, messages to Python and back.
STUB = """
const listeners = {}, traits = { view: null, checkpoint: 1, selected: null, height: 300 };
window.model = {
  get: (name) => traits[name],
  set(name, value) { traits[name] = value; window.changes = [...(window.changes ?? []), [name, value]]; },
  save_changes() {},
  on(event, listener) { (listeners[event] ??= []).push(listener); },
  python(name, value) { traits[name] = value; listeners[`change:${name}`].forEach((listen) => listen()); },
  async send(content) {
    const { answers, bytes } = await window.kernel(content);
    const raw = fromBase64(bytes);
    listeners["msg:custom"].forEach((listen) => listen({ answers }, [new DataView(raw.buffer)]));
  },
};
render({ model: window.model, el: document.getElementById("explorer") }).then(() => (window.ready = true));
"""


def test_a_notebook_and_its_kernel(window, widget, model, square, tmp_path):
    path = tmp_path / "notebook.html"
    path.write_text(page("stub", STUB))
    one = window(None)
    sent = []
    widget.send = lambda content, buffers: sent.append((content, buffers))

    def kernel(content):
        widget._handle_custom_msg(content, [])
        answered, (raw,) = sent.pop()
        return {**answered, "bytes": base64.b64encode(raw).decode()}

    one.page.expose_function("kernel", kernel)
    one.page.goto(path.as_uri())
    one.wait("window.ready && document.querySelector('.sgx-count').textContent.includes('regions')")
    count = ".sgx-count"
    one.page.evaluate("model.python('view', { centre: [0.5, 0.5], size: 0.5, angle: 0.3 })")
    one.wait("JSON.stringify(window.changes?.at(-1) ?? null).includes('0.3')")
    view = one("model.get('view')")
    widget.view = view
    width, height = one.page.locator(".sgx-above").evaluate("e => [e.clientWidth, e.clientHeight]")
    unit = 0.5 / min(width, height)
    from_python = sg.compute_partition(model, View.of(widget.view).window(square, (width * unit, height * unit)))
    one.wait(f"document.querySelector('{count}').textContent.startsWith('{from_python.n_regions:,} ')")
    one.page.evaluate("model.python('checkpoint', 0)")
    one.wait("document.querySelector('.sgx-step').textContent === '1 of 2'")
    one.page.mouse.click(width / 2, height / 2)
    one.wait("model.get('selected') !== null")
    assert one("model.get('selected').at") == pytest.approx([0.5, 0.5], abs=2 * unit)


def test_one_module_for_every_host():
    text = module()
    assert "\nimport " not in text
    assert text.count("export ") == 1
    assert text.rstrip().endswith("export default { render };")
