"""What a partition file says beside its arrays: JSON with a checksum, and on the way back believed in nothing."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from ..errors import PartitionFileError
from .certificate import Certificate

# The first format has no checksum of its description, and may say nothing of the kind and the residual.
_WITHOUT_CHECKSUM, FORMAT = "splinegeo-partition-1", "splinegeo-partition-2"
# What regions can be; files that say nothing are of the first kind.
KINDS = ("activation", "linear")


@dataclass(frozen=True)
class Description:
    """Everything of a partition that is no array, and a digest of each array; the certificate is without places."""

    kind: str
    layer_names: tuple[str, ...]
    unit_shapes: tuple[tuple[int, ...], ...]
    input_shape: tuple[int, ...]
    residual: float
    certificate: Certificate
    digests: Mapping[str, str]

    def to_json(self) -> bytes:
        """Text that `from_json` reads."""
        meta = {"format": FORMAT, **vars(self), "certificate": self.certificate.numbers()}
        return json.dumps(meta | {"checksum": _checksum(meta)}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Description:
        """Raise a PartitionFileError unless every entry is there, and is what it must be."""
        meta = json.loads(text.decode())
        if not isinstance(meta, dict) or meta.get("format") not in (_WITHOUT_CHECKSUM, FORMAT):
            raise PartitionFileError(f"its format is not {FORMAT}")
        if meta["format"] == _WITHOUT_CHECKSUM:
            meta = {"kind": KINDS[0], "residual": 0.0} | meta
        elif meta.pop("checksum", None) != _checksum(meta):
            raise PartitionFileError("its description does not match its checksum")
        for name, (is_right, what) in _ENTRIES.items():
            if name not in meta or not is_right(meta[name]):
                raise PartitionFileError(f"its description says {name} = {meta.get(name)!r}, which is not {what}")
        if len(meta["layer_names"]) != len(meta["unit_shapes"]):
            raise PartitionFileError("its description has not one shape for each layer")
        unknown = meta.keys() - _ENTRIES.keys() - {"format"}
        if unknown:
            raise PartitionFileError(f"its description has unknown entries {sorted(unknown)}")
        return cls(
            kind=meta["kind"],
            layer_names=tuple(meta["layer_names"]),
            unit_shapes=tuple(tuple(shape) for shape in meta["unit_shapes"]),
            input_shape=tuple(meta["input_shape"]),
            residual=float(meta["residual"]),
            certificate=Certificate(**meta["certificate"]),
            digests=meta["digests"],
        )


def _checksum(meta: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_size(value: Any) -> bool:
    """A number that measures something: not negative, not NaN; a smallest margin may be infinite."""
    return type(value) in (int, float) and value >= 0


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_count, value)) and math.prod(value) < 2**63


def _is_certificate(value: Any) -> bool:
    """Every number of a `Certificate`, of the type that its field has."""
    rules = {"float": _is_size, "int": _is_count, "bool": lambda entry: isinstance(entry, bool)}
    known = {field.name: field for field in fields(Certificate) if field.type in rules}
    required = {name for name, field in known.items() if field.default is MISSING}
    return (
        isinstance(value, dict)
        and required <= value.keys() <= known.keys()
        and all(rules[str(known[name].type)](entry) for name, entry in value.items())
    )


def _all_text(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


_ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "kind": (lambda value: value in KINDS, f"a known kind of regions: {', '.join(KINDS)}"),
    "layer_names": (lambda value: isinstance(value, list) and _all_text(value), "a list of names"),
    "unit_shapes": (lambda value: isinstance(value, list) and all(map(_is_shape, value)), "a list of shapes"),
    "input_shape": (_is_shape, "a shape"),
    "residual": (lambda value: _is_size(value) and math.isfinite(value), "a distance"),
    "certificate": (_is_certificate, "the numbers of a certificate"),
    "digests": (lambda value: isinstance(value, dict) and _all_text(value.values()), "a digest for each array"),
}
