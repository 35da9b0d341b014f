"""Files that a command reads and writes: what is wrong with one is said by its name."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from models_store.errors import ImageError, InvalidRequestError
from models_store.image_files.tiff.reader import PlaneReader, open_planes
from models_store.noise_model_files.published import read_published
from worker.engine.noise.models.kinds import AnyNoiseModel, noise_model_from_parameters


@contextmanager
def opened(path: Path) -> Iterator[PlaneReader]:
    """Open an image file; InvalidRequestError if it is none."""
    with ExitStack() as stack:
        try:
            planes = stack.enter_context(open_planes(path))
        except (ImageError, OSError) as error:
            raise InvalidRequestError(f"{path}: {error}") from error
        yield planes


def read_noise_model(path: Path) -> AnyNoiseModel:
    """Read a published `.npz` or `.npy`; InvalidRequestError or NoiseModelInvalidError if it is none."""
    return noise_model_from_parameters(read_published(read_content(path, "noise model")).plain())


def read_content(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"the {what} {path} cannot be read: {error.strerror}") from error


def require_writable(target: Path, sources: Sequence[Path]) -> None:
    """Find out before hours of work that a result could not be written, or would replace its source."""
    if not target.parent.is_dir():
        raise InvalidRequestError(f"{target} cannot be written: there is no folder {target.parent}")
    if target.is_dir():
        raise InvalidRequestError(f"{target} cannot be written: it is a folder")
    if target.exists() and any(source.exists() and target.samefile(source) for source in sources):
        raise InvalidRequestError(f"{target} is read by this command; write the result to another file")
