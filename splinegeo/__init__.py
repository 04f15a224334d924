"""Exact spline-partition geometry of deep networks.

What there is stands in ``__init__.pyi``. A room of the house is loaded when one of its names is first used, so that
importing the package costs next to nothing.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("splinegeo")
