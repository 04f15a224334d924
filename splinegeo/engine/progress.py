"""The bar that shows how far a walk is."""

from __future__ import annotations

from collections.abc import Sequence

from tqdm import tqdm


class Progress:
    """A bar over the layers, which counts the regions so far; tiles advance it by their share."""

    def __init__(self, bar: tqdm, layer_names: Sequence[str], n_regions: int) -> None:
        self._bar, self._layer_names, self._n_regions = bar, layer_names, n_regions

    def advance(self, share: float, n_more: int, layer: int) -> None:
        """One layer of a share of the windows is done, with so many regions more."""
        self._n_regions += n_more
        self._bar.update(share)
        self._bar.set_postfix(layer=self._layer_names[layer], regions=self._n_regions)
