from __future__ import annotations

import re
import zlib

import numpy as np
import pytest
from matplotlib import pyplot as plt

import splinegeo as sg
from splinegeo import viz


def streams(pdf):
    """Everything in a PDF that can be unpacked, as one text."""
    found = []
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            found.append(zlib.decompress(match.group(1)))
        except zlib.error:
            continue
    return b"\n".join(found)


def test_many_regions_make_a_small_file_with_vectors_on_top(many, tmp_path):
    """Fifty thousand polygons are one image; axes, text and a boundary of line segments are not."""
    ax = viz.draw_decision_boundary(many, viz.draw_partition(many))
    path = viz.save_figure(ax, tmp_path / "many.pdf", width="column", dpi=300)
    pdf = path.read_bytes()
    assert len(pdf) < 2_000_000
    assert b"/Subtype /Image" in pdf
    assert b"/FontType 42" in pdf or b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    drawn = streams(pdf)
    assert drawn.count(b" l\n") > len(sg.decision_boundary(many))


def test_few_regions_stay_polygons(part, tmp_path):
    ax = viz.draw_partition(part)
    image = b"/Subtype /Image"
    few = viz.save_figure(ax, tmp_path / "few.pdf").read_bytes()
    pixels = viz.save_figure(ax, tmp_path / "pixels.pdf", rasterise=True).read_bytes()
    assert pixels.count(image) > few.count(image)
    assert [a.get_rasterized() for a in ax.collections] == [False] * len(ax.collections)


@pytest.mark.parametrize(("width", "inches"), [("column", 3.25), ("page", 6.75), (5.0, 5.0)])
def test_the_width_is_exact_and_the_figure_as_before(part, tmp_path, width, inches):
    ax = viz.draw_partition(part)
    before = ax.figure.get_size_inches().tolist()
    path = viz.save_figure(ax, tmp_path / "w.png", width=width, dpi=100)
    assert plt.imread(path).shape[1] == round(100 * inches)
    assert ax.figure.get_size_inches().tolist() == before


def test_pixels_in_a_pdf_are_those_of_a_png(part, tmp_path):
    """The file does not depend on what was saved before: nothing of the state is kept."""
    ax = viz.draw_partition(part)
    first = plt.imread(viz.save_figure(ax, tmp_path / "a.png", dpi=80))
    viz.save_figure(ax, tmp_path / "a.pdf", dpi=200, width="column", rasterise=True)
    assert np.array_equal(first, plt.imread(viz.save_figure(ax, tmp_path / "b.png", dpi=80)))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("x.gif", {}, "no picture"),
        ("x", {}, "no picture"),
        ("x.pdf", {"width": "wide"}, "'column', 'page' or inches"),
        ("x.pdf", {"width": -1}, "positive"),
        ("x.pdf", {"dpi": 0}, "positive"),
    ],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing(part, tmp_path, name, options, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        viz.save_figure(viz.draw_partition(part), tmp_path / name, **options)
    assert not list(tmp_path.iterdir())
