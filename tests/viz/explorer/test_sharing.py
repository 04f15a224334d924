"""`write_html` and what it packs, without a browser."""

import base64
import re

import pytest
from splinegeo.viz.explorer.packing import packed_frame

import splinegeo as sg
from splinegeo import viz


def test_the_page_asks_for_nothing(parts, tmp_path):
    text = viz.write_html(parts, tmp_path / "page.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert "default-src 'none'" in text
    assert "connect-src 'none'" in text
    assert not re.search(r"^\s*import\b", text, re.MULTILINE)
    assert text.count('id="frame-') == len(parts)


def test_a_frame_is_small(parts):
    assert len(packed_frame(parts[0])) < 24 * parts[0].n_regions + 4096
    assert packed_frame(parts[0]) == packed_frame(parts[0])


def test_titles_cannot_end_the_page(parts, tmp_path):
    evil = "</script><script>alert(1)</script>"
    options = {"title": evil, "titles": [evil], "class_names": [evil] * 3}
    text = viz.write_html(parts[:1], tmp_path / "p.html", **options).read_text()
    assert "<script>alert" not in text
    about = re.search(r'id="about">([^<]*)<', text)[1]
    assert evil.encode() in base64.b64decode(about)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": [1]}, "1 steps for 3"),
        ({"titles": ["a"]}, "1 titles for 3"),
        ({"curves": {"x": ([1], [1])}}, "need steps"),
        ({"curves": {"x": ([1], [1])}, "panels": {}}, "either curves or panels"),
        ({"class_names": ["a"]}, "1 class names for 3"),
        ({"anchors": [[0, 0]], "anchor_labels": ["a", "b"]}, "2 anchor_labels for 1"),
        ({"color": "plaid"}, "plaid"),
    ],
)
def test_bad_arguments_are_one_sentence(parts, tmp_path, options, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        viz.write_html(parts, tmp_path / "p.html", **options)
    assert not list(tmp_path.iterdir())


def test_nothing_to_share(tmp_path):
    with pytest.raises(sg.InvalidInputError, match="no partitions"):
        viz.write_html([], tmp_path / "p.html")
