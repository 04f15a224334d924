"""Frames to files: each frame is drawn once and goes to every file; files appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import imageio_ffmpeg
import matplotlib as mpl
import numpy as np
from matplotlib.animation import FFMpegWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from splinegeo import InvalidInputError

# Visually lossless, and what every player understands; the colours are those of HD video, and say so.
_H264 = (
    "-crf 18 -preset medium -pix_fmt yuv420p -vf scale=out_color_matrix=bt709 -colorspace bt709 "
    "-color_primaries bt709 -color_trc bt709 -movflags +faststart"
)  # fmt: skip
# Pixels; of frames that are more than twice as wide as high, such as rows of panels, half as much more.
_GIF_WIDTH, _WIDE_GIF = 720, 1080
_PALETTE_SAMPLE = 400_000


class Encoder(Protocol):
    """Takes frames one by one, then finishes or gives up its file."""

    def start(self) -> None:
        """Begin; whatever this starts, `abort` ends."""

    def add(self, frame: NDArray[np.uint8]) -> None:
        """One frame (h, w, 4)."""

    def finish(self) -> None:
        """Write what is left."""

    def abort(self) -> None:
        """Let go of the file; called after any error, and harmless after `finish`."""


class _RawFrames(FFMpegWriter):
    """matplotlib's writer, fed with pixels that are drawn already."""

    _proc: Any = None

    def put(self, frame: NDArray[np.uint8]) -> None:
        self._proc.stdin.write(frame.tobytes())

    def abort(self) -> None:
        if self._proc is not None and self._proc.poll() is None:
            self._proc.kill()
            self._proc.communicate()


class Mp4Encoder:
    """H.264 by the ffmpeg binary that the imageio-ffmpeg package ships."""

    def __init__(self, file: Path, figure: Figure, *, fps: float, hold: int) -> None:
        try:
            binary = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError as error:
            raise InvalidInputError(f"no ffmpeg for .mp4 files on this platform ({error}): write a .gif") from error
        self._hold = hold
        self._last: NDArray[np.uint8] | None = None
        self._binary, self._file, self._figure = binary, file, figure
        self._writer = _RawFrames(fps=fps, codec="h264", extra_args=_H264.split())  # type: ignore[arg-type] # 2.5 is fine

    def start(self) -> None:
        """Start ffmpeg."""
        with mpl.rc_context({"animation.ffmpeg_path": self._binary}):
            self._writer.setup(self._figure, str(self._file), dpi=self._figure.dpi)

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Hand one frame to ffmpeg."""
        self._last = frame
        try:
            self._writer.put(frame)
        except BrokenPipeError:  # ffmpeg has given up; only its own last words say why
            self.finish()

    def finish(self) -> None:
        """Repeat the last frame while it is held, and let ffmpeg end the file."""
        for _ in range(self._hold if self._last is not None else 0):
            self._writer.put(self._last)  # type: ignore[arg-type]
        try:
            self._writer.finish()
        except subprocess.CalledProcessError as error:
            raise OSError(str(error.stderr).strip().splitlines()[-1]) from error

    def abort(self) -> None:
        """Stop ffmpeg."""
        self._writer.abort()


class GifEncoder:
    """GIF by Pillow: one palette for all frames and no dithering, so that still areas stay still."""

    def __init__(self, file: Path, figure: Figure, *, fps: float, hold: int) -> None:
        self._file = file
        self._duration = 1000 / fps
        self._hold = hold
        width, height = np.rint(figure.bbox.size).astype(int).tolist()
        most = min(_WIDE_GIF if width > 2 * height else _GIF_WIDTH, width)
        self._size = (most, round(height * most / width))
        # A palette for all frames can only be chosen once all are known, so they wait, at their reduced size.
        self._frames: list[Image.Image] = []

    def start(self) -> None:
        """Nothing to start: the file is written in one go."""

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Keep one frame."""
        image = Image.fromarray(np.ascontiguousarray(frame[..., :3]))
        self._frames.append(image.resize(self._size, Image.Resampling.LANCZOS, reducing_gap=2.0))

    def finish(self) -> None:
        """Choose the palette and write the file."""
        palette = self._palette()
        frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in self._frames]
        # GIF counts in hundredths of a second; rounding the ends of frames, not their lengths, avoids drift.
        ends = np.rint(np.arange(len(frames) + 1) * self._duration / 10) * 10
        durations = np.diff(ends).astype(int).tolist()
        durations[-1] += round(self._hold * self._duration / 10) * 10
        frames[0].save(self._file, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False)

    def abort(self) -> None:
        """Forget the frames."""
        self._frames.clear()

    def _palette(self) -> Image.Image:
        """256 colours for a sample of the pixels of all frames."""
        rows = [np.asarray(image).reshape(-1, 3) for image in self._frames]
        step = max(1, sum(map(len, rows)) // _PALETTE_SAMPLE)
        sample = np.concatenate([row[i % step :: step] for i, row in enumerate(rows)])
        side = int(np.sqrt(len(sample)))
        picture = Image.fromarray(np.ascontiguousarray(sample[: side * side].reshape(side, side, 3)))
        chosen = picture.quantize(256, method=Image.Quantize.MEDIANCUT)
        colours = np.array(chosen.getpalette(), dtype=np.uint8).reshape(-1, 3)
        # Pillow matches colours on a grid of steps of 4: paper stays white if nothing else is nearly white.
        colours[(colours >= 248).all(axis=1)] = 255
        chosen.putpalette(colours.tobytes())
        return chosen


ENCODERS: dict[str, Callable[..., Encoder]] = {".mp4": Mp4Encoder, ".gif": GifEncoder}


def checked_paths(path: str | PathLike[str] | Sequence[str | PathLike[str]]) -> list[Path]:
    """The files to write, each of a known kind and in a folder that exists.

    Raises
    ------
    InvalidInputError
        If not; before any frame is drawn.
    """
    paths = [Path(path)] if isinstance(path, str | PathLike) else [Path(p) for p in path]
    if not paths:
        raise InvalidInputError("no file to write the animation to: path is empty")
    for file in paths:
        if file.suffix.lower() not in ENCODERS:
            raise InvalidInputError(f"cannot write '{file}': animations are {' or '.join(ENCODERS)} files")
        if file.is_dir():
            raise InvalidInputError(f"cannot write '{file}': it is a folder")
    return paths


@contextmanager
def recording(figure: Figure, paths: Sequence[Path], *, fps: float, hold: int) -> Iterator[Callable[[], None]]:
    """A function that draws the figure and adds what it shows to all files.

    The files are written under other names beside their places, and moved there once all of them are
    finished; after any error, an interrupt from the keyboard included, nothing is left.
    """
    canvas = FigureCanvasAgg(figure)
    temporary: list[Path] = []
    encoders: list[Encoder] = []

    def add_frame() -> None:
        canvas.draw()
        pixels = np.array(canvas.buffer_rgba())
        for file, encoder in zip(paths, encoders, strict=True):
            with _writing(file):
                encoder.add(pixels)

    try:
        for file in paths:
            with _writing(file):
                # Its name is on the list before the file is there: an interrupt at any moment leaves nothing behind.
                temporary.append(file.with_name(f".{file.stem}.{secrets.token_hex(8)}{file.suffix.lower()}"))
                temporary[-1].touch(exist_ok=False)
                encoders.append(ENCODERS[file.suffix.lower()](temporary[-1], figure, fps=fps, hold=hold))
                encoders[-1].start()
        yield add_frame
        for file, encoder in zip(paths, encoders, strict=True):
            with _writing(file):
                encoder.finish()
        for file, finished in zip(paths, temporary, strict=True):
            with _writing(file):
                os.replace(finished, file)
    finally:
        for encoder in encoders:
            encoder.abort()
        for leftover in filter(os.path.lexists, temporary):
            leftover.unlink()


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    """What the system says about a file, as one sentence."""
    try:
        yield
    except OSError as error:
        raise InvalidInputError(f"cannot write '{file}': {error.strerror or error}") from error
