"""Packages that only some users have."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import InvalidInputError


def load_extra(module: str, package: str, extra: str) -> ModuleType:
    """Import `module` of a package that an extra installs.

    When it is needed and not before: these packages are slow to import, and one that is broken must not break
    ``import splinegeo``.

    Raises
    ------
    InvalidInputError
        If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"this needs {package}, which is not installed: pip install 'splinegeo[{extra}]'"
        raise InvalidInputError(message) from error
