"""Networks that classify, with every class somewhere on the slice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from splinegeo.validation import mlp

import splinegeo as sg


@pytest.fixture(scope="session", params=[1, 2, 3, 10])
def classified(request):
    """A network with so many outputs, of about equal size in the middle of the slice, and its partition."""
    model = mlp(2, 40, 40, request.param).double()
    part = sg.compute_partition(model, sg.Slice.box((-4, 4), (-4, 4)))
    with torch.no_grad():
        model[-1].bias -= torch.from_numpy(np.median(part.evaluate(part.centroids), axis=0))
    return model, sg.compute_partition(model, part.domain)
