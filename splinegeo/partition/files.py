"""Partitions on disk: one ``.npz`` without pickles, written whole or not at all, and trusted in nothing."""

from __future__ import annotations

import hashlib
import math
import zipfile
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PartitionFileError
from ..slices import Slice
from ..writing import write_whole
from .certificate import CLOSE_DECISION, Certificate
from .description import Description

if TYPE_CHECKING:
    from .record import Partition

# name -> (dtype kind, trailing shape)
ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "vertices": ("f", (2,)),
    "edges": ("i", (2,)),
    "edge_regions": ("i", (2,)),
    "edge_layer": ("i", ()),
    "edge_unit": ("i", ()),
    "region_vertices": ("i", ()),
    "region_edges": ("i", ()),
    "region_offsets": ("i", ()),
}
_OTHERS = {"origin": ("f", ()), "basis": ("f", (2,)), "window": ("f", (2,)), "close": ("V", ())}
_OPTIONAL = {"slope": ("f", None), "offset": ("f", None), "slope_norm": ("f", ())}
_LARGEST_META = 2**20


def save(part: Partition, path: str | PathLike[str], *, maps: bool) -> None:
    """Write a partition; see `Partition.save`."""
    arrays = {name: getattr(part, name) for name in ARRAYS}
    arrays |= {"origin": part.domain.origin, "basis": part.domain.basis, "window": part.domain.window}
    arrays |= {"slope_norm": part.slope_norm(), "close": part.certificate.close}
    if maps:
        arrays |= {"slope": part.slope, "offset": part.offset}
    arrays = {name: _narrow(array) for name, array in arrays.items()}
    about = Description(
        kind=part.kind,
        layer_names=part.layer_names,
        unit_shapes=part.unit_shapes,
        input_shape=part.domain.input_shape,
        residual=part.domain.residual,
        certificate=part.certificate,
        digests={name: _digest(array) for name, array in arrays.items()},
    )
    text = np.frombuffer(about.to_json(), dtype=np.uint8)
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    write_whole(path, lambda stream: np.savez(stream, meta=text, **arrays))


@dataclass(frozen=True)
class Stored:
    """What a file holds, made sure of."""

    arrays: dict[str, NDArray[Any]]
    about: Description
    domain: Slice
    certificate: Certificate


def read(path: str | PathLike[str]) -> Stored:
    """A saved partition, every array compared with its digest and its neighbours, and the description with its own.

    Raises
    ------
    PartitionFileError
        If the file is truncated, corrupted, oversized, pickled, or not a partition at all.
    """
    path = Path(path)
    if not path.is_file():
        raise PartitionFileError(f"no such file: '{path}'")
    try:
        return _read(path)
    except PartitionFileError as error:
        raise PartitionFileError(f"'{path}' is not a whole partition: {error}") from error
    except Exception as error:  # zip, npy and json parsers raise many kinds; none of them is the user's language
        raise PartitionFileError(f"'{path}' is not a whole partition: {error or type(error).__name__}") from error


def _read(path: Path) -> Stored:
    arrays, about = _read_archive(path)
    _require_right_arrays(arrays)
    _require_consistent(arrays, about)
    widen = {"i": np.int64, "f": np.float64}
    arrays = {name: a.astype(widen.get(a.dtype.kind, a.dtype)) for name, a in arrays.items()}
    domain = Slice(arrays["origin"], arrays["basis"], arrays["window"], about.input_shape, about.residual)
    return Stored(arrays, about, domain, replace(about.certificate, close=arrays["close"]))


def _read_archive(path: Path) -> tuple[dict[str, NDArray[Any]], Description]:
    with zipfile.ZipFile(path) as archive:
        # What save writes is stored, not compressed: nothing in the file can unpack to more than its own size.
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise PartitionFileError("it is compressed, which splinegeo never writes")
        if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
            raise PartitionFileError("its members claim to be larger than the file")
        names = {member.filename.removesuffix(".npy") for member in archive.infolist()}
    unknown = names - {"meta", *ARRAYS, *_OTHERS, *_OPTIONAL}
    missing = {"meta", *ARRAYS, *_OTHERS} - names
    if unknown or missing:
        raise PartitionFileError(f"unexpected members {sorted(unknown)}, missing {sorted(missing)}")
    with np.load(path, allow_pickle=False) as archive:
        text = archive["meta"]
        if text.dtype != np.uint8 or text.size > _LARGEST_META:
            raise PartitionFileError("its description is not text")
        about = Description.from_json(text.tobytes())
        arrays = {name: archive[name] for name in sorted(names - {"meta"})}
    for name, array in arrays.items():
        if about.digests.get(name) != _digest(array):
            raise PartitionFileError(f"array '{name}' does not match its digest")
    return arrays, about


def _require_right_arrays(arrays: dict[str, NDArray[Any]]) -> None:
    """Kinds and shapes: a file may carry right digests of wrong arrays."""
    for name, (kind, tail) in {**ARRAYS, **_OTHERS, **_OPTIONAL}.items():
        if name not in arrays:
            continue
        array = arrays[name]
        right_shape = array.ndim > 0 and (tail is None or array.shape[1:] == tail)
        if array.dtype.kind != kind or not right_shape or (kind == "V" and array.dtype != CLOSE_DECISION):
            raise PartitionFileError(f"array '{name}' has dtype {array.dtype} and shape {array.shape}")
        if kind == "f" and not np.isfinite(array).all():
            raise PartitionFileError(f"array '{name}' contains NaN or infinity")


def _require_consistent(arrays: dict[str, NDArray[Any]], about: Description) -> None:
    """Index ranges and lengths."""
    offsets = arrays["region_offsets"]
    n_vertices, n_edges, n_regions = len(arrays["vertices"]), len(arrays["edges"]), len(offsets) - 1
    n_slots = len(arrays["region_vertices"])
    ranges = (
        ("edges", 0, n_vertices),
        ("region_vertices", 0, n_vertices),
        ("region_edges", 0, n_edges),
        ("edge_regions", -1, n_regions),
        ("edge_layer", -1, len(about.layer_names)),
    )
    for name, low, high in ranges:
        if arrays[name].size and (arrays[name].min() < low or arrays[name].max() >= high):
            raise PartitionFileError(f"array '{name}' points outside the partition")
    loops_fit = n_regions >= 1 and offsets[0] == 0 and offsets[-1] == n_slots and (np.diff(offsets) >= 3).all()
    if not loops_fit or len(arrays["region_edges"]) != n_slots:
        raise PartitionFileError("its loops do not fit together")
    per_edge = {name: len(arrays[name]) for name in ("edge_regions", "edge_layer", "edge_unit")}
    if set(per_edge.values()) != {n_edges}:
        raise PartitionFileError(f"its edges have {per_edge} entries for {n_edges} edges")
    n_units = np.array([*map(math.prod, about.unit_shapes), 0])  # the last one is read for the border, layer -1
    layer, unit = arrays["edge_layer"], arrays["edge_unit"]
    if ((unit < 0) != (layer < 0)).any() or (unit >= n_units[layer])[layer >= 0].any():
        raise PartitionFileError("array 'edge_unit' names units that the layers do not have")
    shapes = [arrays[name].shape for name in ("slope", "offset") if name in arrays]
    if shapes and (len(shapes) < 2 or shapes[0] != (*shapes[1], 2) or len(shapes[1]) != 2):
        raise PartitionFileError("its affine maps do not fit together")
    for name in _OPTIONAL:
        if name in arrays and len(arrays[name]) != n_regions:
            raise PartitionFileError(f"array '{name}' has {len(arrays[name])} rows for {n_regions} regions")


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Indices fit 32 bits up to two thousand million; half the file is indices."""
    if array.dtype.kind == "i" and (not array.size or np.abs(array).max() < 2**31):
        return np.ascontiguousarray(array, dtype=np.int32)
    return np.ascontiguousarray(array)


def _digest(array: NDArray[Any]) -> str:
    header = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()
