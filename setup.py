"""Which packages ship: every folder with an ``__init__.py`` under the three roots, found anew at each build.

``viz/`` and ``validation/`` stand at the top of the house and are installed as ``splinegeo.viz`` and
``splinegeo.validation`` (`package-dir` in pyproject.toml), which setuptools cannot be told in a table alone.
"""

from setuptools import find_packages, setup

own = find_packages(include=["splinegeo", "splinegeo.*"])
above = find_packages(include=["viz", "viz.*", "validation", "validation.*"])
setup(packages=own + [f"splinegeo.{name}" for name in above])
