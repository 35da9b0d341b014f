"""What a command needs that an installation may lack."""

from collections.abc import Iterator
from contextlib import contextmanager

from models_store.errors import InvalidRequestError


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Say how to install what is missing; the other commands work without."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise InvalidRequestError(
            f"{missing.name} is not installed; install it with: pip install 'clearscope[{extra}]'"
        ) from missing
