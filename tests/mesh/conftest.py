import pytest

from .lines import KINDS, use


@pytest.fixture(params=KINDS, scope="module", autouse=True)
def kind(request):
    """Everything in this folder holds for NumPy arrays and for tensors."""
    use(request.param)
    return request.param
