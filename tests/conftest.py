"""What all tests need before the first import."""

from contextlib import suppress

import torch

# PyTorch's builds for the CPU do not fit the compiled part of torchvision, which onnx2torch brings and Lightning
# imports where it is: all that its import then misses are the declarations of two operators.
try:
    import torchvision  # noqa: F401
except ModuleNotFoundError:
    pass
except RuntimeError:
    for name in ("nms", "qnms"):
        with suppress(RuntimeError):  # declared already
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")
