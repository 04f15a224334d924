"""Messages to the browser: a small header of JSON, then raw arrays. `page/wire.js` reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Message = tuple[dict[str, Any], Arrays]

_MAGIC = b"sgx1"
_ALIGNMENT = 8
_KINDS = {"f4", "f8", "u1", "u2", "u4", "i2", "i4"}


def pack(message: Message) -> bytes:
    """One message as bytes.

    Four bytes of magic, the length of the header as a little-endian uint32, the header padded with spaces so that the
    arrays begin at a multiple of 8, then the arrays, each at a multiple of 8. The header's entry ``arrays`` says of
    each its kind, where it begins after the header, and how many numbers it has.

    Examples
    --------
    >>> packed = pack(({"ask": "scene"}, {"x": np.array([1.0, 2.0], dtype=np.float32)}))
    >>> packed[:4], len(packed) % 8, packed[-8:] == np.array([1, 2], dtype="<f4").tobytes()
    (b'sgx1', 0, True)
    """
    header, arrays = message
    table, chunks, start = {}, [], 0
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array)
        kind = raw.dtype.str[1:]
        assert kind in _KINDS, f"array '{name}' is of kind {kind}, which the page does not know"
        table[name] = [kind, start, raw.size]
        content = raw.astype(raw.dtype.newbyteorder("<"), copy=False).tobytes()
        chunks.append(content + bytes(-len(content) % _ALIGNMENT))
        start += len(chunks[-1])
    text = json.dumps({**header, "arrays": table}, allow_nan=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join([_MAGIC, len(text).to_bytes(4, "little"), text, *chunks])
