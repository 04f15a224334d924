"""A device that is not there: tensors that say they live on one, computed on the host.

It refuses what a GPU refuses, operands that live in different places; it counts what costs a GPU time, launches and
round trips to the host, and the bytes that are alive at once. PyTorch's name "lazy" stands for it, which needs no build
with CUDA.
"""

import weakref
from collections import Counter

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("lazy:0")

# Operators whose result has a size, or is a number, that the host has to wait for.
_WAITS = {"_local_scalar_dense", "nonzero", "_unique2", "unique_consecutive", "masked_select", "equal", "bincount"}
# Operators that write to given places, in an order that a GPU leaves open.
_WRITES = {"scatter_", "index_put_", "_index_put_impl_"}
# Operators that a GPU lets mix with small tensors of the host, and those that move tensors.
_INDEXED, _MOVES = {"index", "index_put", "index_put_", "_index_put_impl_"}, {"_to_copy", "copy_"}


class DeviceTensor(torch.Tensor):
    """A tensor on the device; `host` is where its numbers are."""

    @staticmethod
    def __new__(cls, host: Tensor):
        layout = {"strides": host.stride(), "storage_offset": host.storage_offset()}
        self = torch.Tensor._make_wrapper_subclass(cls, host.size(), **layout, dtype=host.dtype, device=DEVICE)
        self.host = host
        return self

    def data_ptr(self):
        return self.host.data_ptr()

    def untyped_storage(self):
        return self.host.untyped_storage()

    def tolist(self):
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return NotImplemented  # for the mode, or for another kind of tensor


class PretendedDevice(TorchDispatchMode):
    """While it lasts, `device="lazy"` is a device.

    Attributes
    ----------
    launches : Counter of operators that a GPU would have executed, views left out
    waits : Counter of operators after which the host would have waited for the device
    to_host, from_host : sizes of tensors that were copied
    bytes, peak : memory that is allocated, and the most that was
    """

    def __init__(self):
        super().__init__()
        self.launches, self.waits = Counter(), Counter()
        self.to_host, self.from_host = [], []
        self.bytes = self.peak = 0
        self._users = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::")
        leaves = tree_leaves((args, kwargs))
        others = [x for x in leaves if isinstance(x, Tensor) and type(x) not in (Tensor, nn.Parameter, DeviceTensor)]
        if any(_is_ours(x.device) for x in others):
            return NotImplemented  # a tensor made of ours takes itself apart first
        if others:
            return function(*args, **kwargs)
        ours = [x for x in leaves if isinstance(x, DeviceTensor)]
        host_args, host_kwargs = tree_map(lambda x: x.host if isinstance(x, DeviceTensor) else x, (args, kwargs))
        wanted = kwargs.get("device")
        if wanted == torch.device("meta") or any(isinstance(x, Tensor) and x.is_meta for x in leaves):
            return function(*host_args, **host_kwargs)  # shapes only
        if _is_ours(wanted):
            host_kwargs["device"] = torch.device("cpu")
        if name == "_efficientzerotensor":  # zeros without memory
            return self._wrap(torch.zeros(*host_args, **host_kwargs)) if _is_ours(wanted) else function(*args, **kwargs)
        self._check(function, name, leaves)
        if ours and name == "sort":
            result = _sorted_otherwise(function, *host_args, **host_kwargs)
        elif ours and name in _WRITES:
            result = _written_in_any_order(function, *host_args, **host_kwargs)
        else:
            result = function(*host_args, **host_kwargs)
        lives_here = bool(ours) if wanted is None else _is_ours(wanted)
        if name == "copy_":
            lives_here = isinstance(args[0], DeviceTensor)
        self._count(function, name, args, ours, lives_here, result)
        if not lives_here or name == "_local_scalar_dense":
            return result
        known = {id(x.host): x for x in ours}  # an operator in place returns its argument

        def on_device(x):
            if not isinstance(x, Tensor):
                return x
            return known[id(x)] if id(x) in known else self._wrap(x)

        return tree_map(on_device, result)

    def _check(self, function, name, leaves):
        here = {isinstance(x, DeviceTensor) for x in leaves if isinstance(x, Tensor) and x.ndim > 0}
        if len(here) > 1 and name not in _INDEXED | _MOVES:
            raise RuntimeError(f"{function}: expected all tensors to be on the same device")

    def _count(self, function, name, args, ours, lives_here, result):
        source = args[name == "copy_"] if name in _MOVES else None
        if source is not None and isinstance(source, DeviceTensor) != lives_here:
            (self.from_host if lives_here else self.to_host).append(tuple(result.shape))
        elif ours or lives_here:
            is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in function._schema.returns)
            self.launches[name] += not is_view
        by_mask = name in _INDEXED and any(x is not None and x.dtype == torch.bool for x in args[1])
        unknown_size = name == "repeat_interleave" and function._overloadname == "Tensor"
        if ours and (name in _WAITS or by_mask or unknown_size):
            self.waits[name] += 1

    def _wrap(self, host):
        tensor, memory = DeviceTensor(host), host.untyped_storage()
        key = memory.data_ptr(), memory.nbytes()
        if not self._users[key]:
            self.bytes += memory.nbytes()
            self.peak = max(self.peak, self.bytes)
        self._users[key] += 1
        weakref.finalize(tensor, self._forget, key)
        return tensor

    def _forget(self, key):
        self._users[key] -= 1
        if not self._users[key]:
            self.bytes -= key[1]


def _sorted_otherwise(function, x, *args, stable=None, **kwargs):
    """Sorted as on another device: equal entries the other way round, unless they have to stay in their order."""
    if stable:
        return function(x, *args, stable=True, **kwargs)
    assert x.ndim == 1
    values, order = torch.sort(x.flip(0), stable=True)
    return values, len(x) - 1 - order


def _written_in_any_order(function, x, *args):
    """Written in both directions, which has to be the same; places that are given by more than rows are let pass."""
    if function._schema.name == "aten::scatter_":
        dim, rows, values, *rest = args
        back = dim, rows.flip(0), _flipped(values), *rest
    elif len(args[0]) == 1 and args[0][0].dtype != torch.bool:
        rows, values, *rest = args
        back = [rows[0].flip(0)], _flipped(values) if values.ndim == x.ndim else values, *rest
    else:
        return function(x, *args)
    backwards = function(x.clone(), *back)
    result = function(x, *args)
    if not torch.equal(result, backwards):
        raise RuntimeError(f"{function}: one place is written twice, and a GPU may do so in any order")
    return result


def _flipped(values):
    return values.flip(0) if isinstance(values, Tensor) else values


def _is_ours(device):
    return device is not None and torch.device(device).type == DEVICE.type
