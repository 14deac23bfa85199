"""Parameters written down once: a function that takes one settings object is called with its fields as arguments.

The parameters of such a function, with their names, types and defaults, are the fields of a dataclass. Type checkers
see them through a ``ParamSpec``, people through ``inspect.signature``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from hsframe.tracebacks import shorten

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)
A_co = TypeVar("A_co", covariant=True)


class Overloaded(Generic[P, R_co, Q, S_co]):
    """For type checkers: a function, or a method of an object, whose result depends on which of two signatures fits."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(self, *args: Q.args, **kwargs: Q.kwargs) -> S_co: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What type checkers do not look at: at run time it is a plain function."""
        raise NotImplementedError


class _Taking(Protocol[P, A_co]):
    @overload
    def __call__(self, fn: Callable[[A_co], R], /) -> Callable[P, R]: ...
    @overload
    def __call__(self, fn: Callable[[T, A_co], R], /) -> Callable[Concatenate[T, P], R]: ...


def takes(settings: Callable[P, A_co]) -> _Taking[P, A_co]:
    """Let a function be called with the fields of a dataclass in place of the object that is its last parameter.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Slope:
    ...     rise: float
    ...     run: float = 1.0
    >>> @takes(Slope)
    ... def steepness(slope: Slope) -> float:
    ...     return slope.rise / slope.run
    >>> steepness(3, run=2)
    1.5
    """

    def decorate(fn: Any) -> Any:
        own = inspect.signature(fn)
        first = list(own.parameters.values())[:-1]

        @functools.wraps(fn)
        def called(*args: Any, **kwargs: Any) -> Any:
            before = args[: len(first)]
            name = type(args[0]).__name__ if fn.__name__ == "__init__" else fn.__name__
            try:
                taken = settings(*args[len(first) :], **kwargs)
            except TypeError as error:  # which calls the dataclass by its name
                error.args = (str(error).replace(f"{getattr(settings, '__qualname__', '')}.__init__", name),)
                shorten(error)
                raise
            finally:
                del args, kwargs  # a traceback shows local variables, and passwords may be among these
            return fn(*before, taken)

        @functools.wraps(fn)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return await called(*args, **kwargs)

        # A coroutine function stays one for inspect.iscoroutinefunction, which looks at the function itself.
        function: Any = awaited if inspect.iscoroutinefunction(fn) else called
        parameters = [*first, *inspect.signature(settings).parameters.values()]
        function.__signature__ = own.replace(parameters=parameters)
        function.__annotations__ = {p.name: p.annotation for p in parameters if p.name != "self"}
        function.__annotations__["return"] = own.return_annotation
        return function

    return decorate
