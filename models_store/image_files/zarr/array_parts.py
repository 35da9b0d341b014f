"""Parts of array metadata that both versions of Zarr have, checked."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.zarr.codecs import STEPS, Step

MAX_DIMENSIONS = 8

Length = Annotated[int, Field(ge=0, le=2**40, strict=True)]
Lengths = Annotated[tuple[Length, ...], Field(min_length=2, max_length=MAX_DIMENSIONS)]
PositiveLength = Annotated[int, Field(ge=1, le=2**40, strict=True)]
PositiveLengths = Annotated[tuple[PositiveLength, ...], Field(min_length=2, max_length=MAX_DIMENSIONS)]


class Document(BaseModel):
    """Part of a JSON document."""

    model_config = ConfigDict(frozen=True)


@contextmanager
def raising_image_corrupt(what: str) -> Iterator[None]:
    """Raise ImageCorruptError, which names the first wrong field, if a document does not fit its model."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ImageCorruptError(f"{what} are broken: {field}: {first['msg']}") from error


def step_named(name: str) -> Step:
    """Return the decoder of a codec. Raises ImageUnsupportedError if there is none."""
    step = STEPS.get(name.removeprefix("numcodecs."))
    if step is None:
        raise unsupported_codec(name)
    return step


def unsupported_codec(name: str) -> ImageUnsupportedError:
    return ImageUnsupportedError(
        f"the codec {name[:60]!r} of its chunks is not supported; save the image with one of "
        f"{', '.join(sorted(STEPS))} or without compression"
    )


def require_dimensions(shape: Sequence[int], **others: Sequence[Any] | None) -> None:
    """Raise ImageCorruptError if what is listed for each axis is not as long as the shape."""
    for name, values in others.items():
        if values is not None and len(values) != len(shape):
            raise ImageCorruptError(
                f"the metadata of the array contradict themselves: {name} is of {len(values)} axes, the "
                f"shape of {len(shape)}"
            )
