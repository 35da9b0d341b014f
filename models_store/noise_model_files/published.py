"""Import and export of noise models in the published PN2V formats, `.npz` and `.npy`, without pickle."""

from dataclasses import dataclass

from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.contracts.vocabulary import NoiseModelKind
from models_store.noise_model_files.histograms import MAX_FILE_BYTES, read_histogram, write_histogram
from models_store.noise_model_files.mixtures import read_mixture, write_mixture

__all__ = ["MAX_FILE_BYTES", "SUFFIXES", "PublishedFile", "read_published", "write_published"]

SUFFIXES = {NoiseModelKind.GMM: ".npz", NoiseModelKind.HISTOGRAM: ".npy"}
_NPY_MAGIC = b"\x93NUMPY"


@dataclass(frozen=True)
class PublishedFile:
    """Content and type of a noise model file."""

    content: bytes
    suffix: str
    media_type: str


def read_published(content: bytes) -> GmmParameters | HistogramParameters:
    """Read a noise model file of either format. Raises NoiseModelInvalidError for any other file."""
    if content.startswith(_NPY_MAGIC):
        return read_histogram(content)
    return read_mixture(content)


def write_published(parameters: GmmParameters | HistogramParameters) -> PublishedFile:
    suffix = SUFFIXES[NoiseModelKind(parameters.kind)]
    if isinstance(parameters, HistogramParameters):
        return PublishedFile(write_histogram(parameters), suffix, "application/octet-stream")
    return PublishedFile(write_mixture(parameters), suffix, "application/zip")
