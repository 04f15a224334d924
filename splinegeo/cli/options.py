"""Options that several commands share, each written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InvalidInputError

Out = Annotated[Path, typer.Option(help="Where the results go.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Model = Annotated[
    str, typer.Option(help="The module: package.module:factory, called without arguments, or a file .onnx or .nnet.")
]
Weights = Annotated[
    Path | None,
    typer.Option(help="A state dict or checkpoint: .safetensors, .pt loaded with weights only, or a folder."),
]
Quick = Annotated[bool, typer.Option("--quick", help="The same on a smaller scale: seconds instead of minutes.")]


def out_file(out: Path, suffix: str) -> Path:
    """Where a command writes one file, decided before it does its work.

    Raises
    ------
    InvalidInputError
        If `out` names a file of another kind, a folder, or a file in a folder that does not exist.

    Examples
    --------
    >>> out_file(Path("map"), ".npz").name, out_file(Path("step_1.5"), ".npz").name
    ('map.npz', 'step_1.5.npz')
    """
    if out.suffix[1:].isalpha() and out.suffix != suffix:
        raise InvalidInputError(f"--out '{out}' must end in {suffix}: pictures beside it get names of their own")
    path = out if out.suffix == suffix else out.with_name(out.name + suffix)
    if path.is_dir():
        raise InvalidInputError(f"--out '{path}' is a folder, not a file")
    if not path.parent.is_dir():
        raise InvalidInputError(f"--out '{path}': there is no folder '{path.parent}'")
    return path


def takes(options: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as options of its own, in place of its first parameter.

    The command gets them as one object: what several commands share is declared and checked in one place.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Place:
    ...     x: int = 0
    >>> @takes(Place)
    ... def show(place, *, shift: int = 1) -> None:
    ...     print(place.x + shift)
    >>> show(x=2, shift=3)
    5
    """
    shared = inspect.signature(options, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()

        def called(**given: Any) -> None:
            command(options(**{name: given.pop(name) for name in shared if name in given}), **given)

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*shared.values(), *own)]
        called.__name__, called.__doc__ = command.__name__, command.__doc__
        called.__annotations__ = {p.name: p.annotation for p in parameters}
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads
        return called

    return decorate
