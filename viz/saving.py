"""`save_figure`: a picture as a paper wants it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from splinegeo import InvalidInputError, write_whole

# Inches: one column and the whole width of a page with two columns.
WIDTHS = {"column": 3.25, "page": 6.75}
FORMATS = ("png", "pdf", "svg", "eps")

# Text stays text, in fonts that reviewers' programs accept, instead of outlines of Type 3.
_FONTS: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none"}
# From so many polygons or lines on, pixels are smaller and quicker to show.
_MANY = 2000
_LARGE = ("regions", "edges")


def save_figure(
    picture: Axes | Figure,
    path: str | PathLike[str],
    *,
    width: float | str | None = None,
    dpi: float = 300,
    rasterise: bool | None = None,
) -> Path:
    """Write a picture for a paper: exact width, embedded fonts, and a small file however many regions there are.

    In PDF, SVG and EPS regions and edges are pixels if there are many; boundary, points, axes and text stay vectors
    on top of them. The file appears whole or not at all, and the picture is as it was afterwards.

    Parameters
    ----------
    picture : Axes or Figure
        Such as what `draw_partition` returned.
    path : the file; its suffix names the format: png, pdf, svg or eps
    width : "column", "page", or inches, optional
        Of the whole figure, 3.25 or 6.75 inches for the names; its height keeps the ratio. By default the figure keeps
        its size, and empty margins are cut off.
    dpi : pixels per inch
    rasterise : bool, optional
        Whether regions and edges are pixels in vector formats. By default where there are more than 2 000.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInputError
        For another format, width or dpi: before anything is drawn.

    Examples
    --------
    >>> import torch, splinegeo as sg
    >>> from splinegeo import viz
    >>> part = sg.compute_partition(torch.nn.Linear(2, 1), sg.Slice.box((-1, 1), (-1, 1)))
    >>> viz.save_figure(viz.draw_partition(part), "figure.pdf", width="column")  # doctest: +SKIP
    PosixPath('figure.pdf')
    """
    path = Path(path)
    image_format = path.suffix.removeprefix(".").lower()
    if image_format not in FORMATS:
        raise InvalidInputError(f"'{path}' is no picture: choose a suffix of {', '.join(FORMATS)}")
    image = as_image(picture, image_format, width=width, dpi=dpi, rasterise=rasterise)
    write_whole(path, lambda stream: stream.write(image))
    return path


def as_image(
    picture: Axes | Figure,
    image_format: str,
    *,
    width: float | str | None = None,
    dpi: float = 300,
    rasterise: bool | None = None,
) -> bytes:
    """The bytes of the file that `save_figure` writes."""
    inches = WIDTHS.get(width) if isinstance(width, str) else width
    if inches is None and width is not None:
        raise InvalidInputError(f"width={width!r} is not known: choose {', '.join(map(repr, WIDTHS))} or inches")
    if not dpi > 0 or (inches is not None and not inches > 0):
        raise InvalidInputError(f"dpi={dpi!r} and width={width!r} must be positive")
    figure = picture if isinstance(picture, Figure) else picture.get_figure(root=True)
    if figure is None:
        raise InvalidInputError("the axes belong to no figure")
    stream = io.BytesIO()
    with mpl.rc_context(_FONTS), _as_wide(figure, inches), _as_pixels(figure, rasterise):
        box = "tight" if inches is None else None
        figure.savefig(stream, format=image_format, dpi=dpi, bbox_inches=box)
    return stream.getvalue()


@contextmanager
def _as_wide(figure: Figure, inches: float | None) -> Iterator[None]:
    """While it lasts, the figure has this width, and its layout is that of the new size."""
    if inches is None:
        yield
        return
    width, height = figure.get_size_inches()
    places = [(ax, ax.get_position(original=True)) for ax in figure.axes]
    figure.set_size_inches(inches, inches * height / width)
    for _ in range(2):  # a colour bar follows its axes, and makes room for itself only when they have settled
        figure.draw_without_rendering()
    try:
        yield
    finally:
        figure.set_size_inches(width, height)
        for ax, place in places:
            ax._set_position(place)  # type: ignore[attr-defined] # as layout engines do: without leaving them


@contextmanager
def _as_pixels(figure: Figure | SubFigure, rasterise: bool | None) -> Iterator[None]:
    """While it lasts, regions and edges are drawn as pixels."""
    large = [a for a in figure.findobj(lambda artist: artist.get_gid() in _LARGE) if _is_large(a, rasterise)]
    before = [artist.get_rasterized() for artist in large]
    for artist in large:
        artist.set_rasterized(True)
    try:
        yield
    finally:
        for artist, was in zip(large, before, strict=True):
            artist.set_rasterized(was)


def _is_large(artist: Any, rasterise: bool | None) -> bool:
    if rasterise is not None:
        return rasterise
    values = getattr(artist, "get_array", lambda: None)()
    if values is not None:
        return len(values) > _MANY
    return sum(len(path.vertices) for path in artist.get_paths()) > 2 * _MANY
