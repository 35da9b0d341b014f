"""Files of the published PN2V code, `.npz` and `.npy`, to and from noise models; nothing is unpickled."""

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
    """The bytes of a file and what they are."""

    content: bytes
    suffix: str
    media_type: str


def read_published(content: bytes) -> GmmParameters | HistogramParameters:
    """Read a file of either kind; NoiseModelInvalidError for anything else."""
    if content.startswith(_NPY_MAGIC):
        return read_histogram(content)
    return read_mixture(content)


def write_published(parameters: GmmParameters | HistogramParameters) -> PublishedFile:
    suffix = SUFFIXES[NoiseModelKind(parameters.kind)]
    if isinstance(parameters, HistogramParameters):
        return PublishedFile(write_histogram(parameters), suffix, "application/octet-stream")
    return PublishedFile(write_mixture(parameters), suffix, "application/zip")
