"""The explorer in a notebook: Jupyter, VS Code, Colab, by way of anywidget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from splinegeo import InvalidInputError

from .answers import Source, answer
from .module import module, style
from .planes import View
from .sources import index_of


class ExplorerWidget(anywidget.AnyWidget):
    """A widget that shows a source; its traits can be read, watched and set.

    Attributes
    ----------
    view : dict or None
        ``{"centre": [u1, u2], "size": s, "angle": a}``: the square of side s around the centre is seen whole, in slice
        coordinates; None until the widget is shown.
    checkpoint : int
        Number of the checkpoint that is shown.
    selected : dict or None
        ``{"at": [u1, u2], "region": r}``: the point that was clicked, and its region in the partition of the view.
        Can be set to ``{"at": [u1, u2]}`` or a pair of numbers.
    height : int
        In pixels of the page.
    """

    _esm = module()
    _css = style()
    view = traitlets.Any(None, allow_none=True).tag(sync=True)
    checkpoint = traitlets.Int(0).tag(sync=True)
    selected = traitlets.Any(None, allow_none=True).tag(sync=True)
    height = traitlets.Int(620).tag(sync=True)

    def __init__(self, source: Source, height: int = 620) -> None:
        self._source = source
        self._n_checkpoints = len(source.about()[0]["checkpoints"])
        super().__init__(height=height, checkpoint=self._n_checkpoints - 1)
        self.on_msg(self._asked)

    def _asked(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if isinstance(content, Mapping) and "asks" in content:
            self.send({"answers": content["asks"]}, [answer(self._source, content.get("message"))])

    @traitlets.validate("view")
    def _checked_view(self, proposal: Mapping[str, Any]) -> dict[str, Any] | None:
        given = proposal["value"]
        return None if given is None else View.of(given).description()

    @traitlets.validate("checkpoint")
    def _checked_checkpoint(self, proposal: Mapping[str, Any]) -> int:
        return index_of(proposal["value"], self._n_checkpoints)

    @traitlets.validate("selected")
    def _checked_selected(self, proposal: Mapping[str, Any]) -> dict[str, Any] | None:
        given = proposal["value"]
        if given is None:
            return None
        try:
            at = given["at"] if isinstance(given, Mapping) else given
            place = View.of({"centre": [float(x) for x in at], "size": 1.0}).centre
        except (TypeError, ValueError, LookupError) as error:
            raise InvalidInputError(f"selected is a point (u1, u2) or None, not {given!r}") from error
        region = given.get("region") if isinstance(given, Mapping) else None
        return {"at": list(place)} | ({} if region is None else {"region": int(region)})
