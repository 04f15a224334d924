from __future__ import annotations

import re
import subprocess
from itertools import pairwise

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image
from splinegeo.viz import encoders

import splinegeo as sg
from splinegeo import viz

SMALL = {"size": 1.2, "dpi": 60}


def video_frames(path):
    """What ffmpeg says about the video stream, and its frames (n, height, width, 3)."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    about = re.search(r"Stream #0:0.*Video: .*", done.stderr.decode())[0]
    width, height = map(int, re.search(r", (\d+)x(\d+)", about).groups())
    return about, np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def test_video_and_gif_hold_one_frame_for_each_partition(parts, tmp_path):
    paths = [tmp_path / "a.mp4", tmp_path / "a.gif"]
    titles = [f"step {i}" for i in range(4)]
    assert viz.animate(parts, paths, titles=titles, fps=4, anchors=[[0, 0]], **SMALL) == paths
    about, frames = video_frames(paths[0])
    assert len(frames) == 4
    assert "h264" in about
    assert "yuv420p" in about
    assert all(side % 2 == 0 for side in frames.shape[1:3])
    with Image.open(paths[1]) as gif:
        assert gif.n_frames == 4
        assert gif.info["duration"] == 250
        assert gif.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gif", "a.mp4"]


def test_nothing_around_the_slice_moves(parts, tmp_path):
    viz.animate(parts, tmp_path / "a.mp4", color="relative_slope", boundary=False, **SMALL)
    _, frames = video_frames(tmp_path / "a.mp4")
    height, width, _ = frames[0].shape
    scale = 60
    outside = np.ones((height, width), dtype=bool)
    top, left = height - int(1.8 * scale), int(0.7 * scale)
    outside[top - 4 : top + int(1.2 * scale) + 8, left - 4 : left + int(1.2 * scale) + 8] = False
    for frame in frames[1:]:
        assert np.abs(frame.astype(int) - frames[0])[outside].max() < 40


def test_a_scale_is_shared_by_all_frames(parts, tmp_path, monkeypatch):
    seen = []
    original = viz.animation.draw_partition
    monkeypatch.setattr(viz.animation, "draw_partition", lambda *a, **k: (seen.append(k["limits"]), original(*a, **k)))
    viz.animate(iter(parts), tmp_path / "a.gif", **SMALL)
    assert seen == [viz.colour_limits(parts)] * 4


def test_the_last_frame_can_be_held(parts, tmp_path):
    viz.animate(parts[:2], [tmp_path / "a.mp4", tmp_path / "a.gif"], color=None, fps=4, hold=1.0, **SMALL)
    assert len(video_frames(tmp_path / "a.mp4")[1]) == 6
    with Image.open(tmp_path / "a.gif") as gif:
        gif.seek(1)
        assert gif.info["duration"] == 1250


def test_curves_grow_beside_the_slice(parts, tmp_path):
    curves = {"train": ([0, 1, 10, 100], [0, 0.5, 1, 1])}
    path = tmp_path / "a.mp4"
    viz.animate(parts, path, curves=curves, steps=[0, 1, 10, 100], **SMALL)
    _, frames = video_frames(path)
    assert frames[0].shape[1] > 1.8 * frames[0].shape[0]
    right = [frame[:, frame.shape[1] // 2 :].astype(int) for frame in frames]
    assert all(np.abs(a - b).max() > 50 for a, b in pairwise(right))


def test_panels_stand_below_one_another_and_each_runs(parts, tmp_path):
    rising, steps = ([0, 1, 10, 100], [0, 0.5, 1, 1]), [0, 1, 10, 100]
    panels = {"accuracy": {"train": rising}, "LC": {"train": (*rising, [0, 0, 0, 0], [1, 1, 1, 1])}}
    viz.animate(parts, tmp_path / "a.mp4", panels=panels, steps=steps, **SMALL)
    _, frames = video_frames(tmp_path / "a.mp4")
    right = frames[:, :, frames.shape[2] // 2 :].astype(int)
    for half in (right[:, : right.shape[1] // 2], right[:, right.shape[1] // 2 :]):
        assert all(np.abs(a - b).max() > 50 for a, b in pairwise(half))


def test_maps_of_local_complexity_stand_in_for_partitions(tmp_path):
    domain = sg.Slice.box((-2, 2), (-2, 2))
    models = [torch.nn.Sequential(torch.nn.Linear(2, 9), torch.nn.GELU(), torch.nn.Linear(9, 2)) for _ in range(2)]
    maps = [sg.complexity_map(model, domain, 16, radius=0.2, dim=2) for model in models]
    viz.animate(maps, tmp_path / "a.gif", anchors=[[0, 0]], domain=domain, **SMALL)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 2
    with pytest.raises(sg.InvalidInputError, match="domain="):
        viz.animate(maps, tmp_path / "b.gif", anchors=[[0, 0]], **SMALL)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_error_midway_leaves_nothing_and_is_not_disguised(parts, tmp_path, error):
    def interrupted():
        yield parts[0]
        raise error("midway")

    with pytest.raises(error, match="midway"):
        viz.animate(interrupted(), [tmp_path / "a.mp4", tmp_path / "a.gif"], limits=(0.1, 1), **SMALL)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_survives_a_failure(parts, tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(b"old")
    with pytest.raises(sg.InvalidInputError, match="not known"):
        viz.animate(parts, path, color="nonsense", **SMALL)
    assert path.read_bytes() == b"old"


def test_what_ffmpeg_says_is_passed_on(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "_H264", "-crf nonsense")
    with pytest.raises(sg.InvalidInputError, match=r"cannot write .*a\.mp4'"):
        viz.animate(parts, tmp_path / "a.mp4", **SMALL)
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_written_are_named(parts, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.gif").mkdir()
    cases = {
        "missing/a.mp4": "No such file or directory",
        "file/a.gif": "Not a directory",
        "folder.gif": "it is a folder",
        "a.avi": r"animations are \.mp4 or \.gif files",
        "a": r"animations are \.mp4 or \.gif files",
    }
    for name, reason in cases.items():
        with pytest.raises(sg.InvalidInputError, match=rf"cannot write '.*{name}': {reason}"):
            viz.animate(parts, tmp_path / name, **SMALL)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.gif"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"titles": ["one"]}, "1 titles for 4 partitions"),
        ({"steps": [1, 2]}, "2 steps for 4 partitions"),
        ({"curves": {"train": ([0], [0])}}, "curves need steps"),
        ({"curves": {}, "panels": {}}, "either curves or panels"),
        ({"fps": 0}, "fps must be positive"),
    ],
)
def test_arguments_that_do_not_fit_are_named(parts, tmp_path, options, match):
    with pytest.raises(sg.InvalidInputError, match=match):
        viz.animate(parts, tmp_path / "a.gif", **{**SMALL, **options})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("color", ["slope_norm", None])
def test_no_partitions_make_no_animation(tmp_path, color):
    with pytest.raises(sg.InvalidInputError, match="no partition"):
        viz.animate(iter(()), [tmp_path / "a.mp4", tmp_path / "a.gif"], color=color, **SMALL)
    assert not list(tmp_path.iterdir())


def test_a_generator_with_too_few_titles_is_named(parts, tmp_path):
    with pytest.raises(sg.InvalidInputError, match="more partitions than titles"):
        viz.animate(iter(parts), tmp_path / "a.gif", color="class", titles=["one"], **SMALL)
    assert not list(tmp_path.iterdir())
