"""Checks for optional dependencies of commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from models_store.errors import InvalidRequestError


@contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Turn a missing module into an InvalidRequestError that says how to install the extra."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise InvalidRequestError(
            f"{missing.name} is not installed; install it with: pip install 'clearscope[{extra}]'"
        ) from missing
