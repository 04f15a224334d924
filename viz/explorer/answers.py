"""From a question of the browser to an answer; what goes wrong comes back in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from splinegeo import InvalidInputError, SplineGeoError

from .wire import Message, pack


class Source(Protocol):
    """What an explorer looks at."""

    def about(self) -> Message:
        """What there is to see."""
        ...

    def scene(self, asked: Mapping[str, Any]) -> Message:
        """The partition of a view."""
        ...

    def probe(self, asked: Mapping[str, Any]) -> Message:
        """The network at a point."""
        ...

    def data(self, asked: Mapping[str, Any]) -> Message:
        """Thumbnails of data points."""
        ...


def answer(source: Source, asked: Any) -> bytes:
    """The packed answer to one question: ``{"ask": "about" | "scene" | "probe" | "data", ...}``.

    An answer whose header has an entry ``refused`` says in one sentence why there is none.
    """
    try:
        return pack(_answered(source, asked))
    except (SplineGeoError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        sentence = str(error).strip() or type(error).__name__
        return pack(({"refused": sentence[:1000]}, {}))


def _answered(source: Source, asked: Any) -> Message:
    if not isinstance(asked, Mapping):
        raise InvalidInputError(f"a question is an object with an entry 'ask', not {asked!r}")
    match asked.get("ask"):
        case "about":
            return source.about()
        case "scene":
            return source.scene(asked)
        case "probe":
            return source.probe(asked)
        case "data":
            return source.data(asked)
    raise InvalidInputError(f"the question {asked.get('ask')!r} is none of about, scene, probe, data")


def parse(text: bytes) -> Any:
    """A question from its JSON.

    Raises
    ------
    InvalidInputError
        If it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"the question is not JSON: {error}") from error
