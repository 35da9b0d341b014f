"""Enumerations shared by tables, API and workers."""

from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in ENDED_STATES


ENDED_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


class ImageRole(StrEnum):
    DATA = "data"
    CALIBRATION = "calibration"
    GROUND_TRUTH = "ground_truth"


class UploadKind(StrEnum):
    """Whether a resumable upload is a file, a part of one, or put together from parts."""

    WHOLE = "whole"
    PARTIAL = "partial"
    FINAL = "final"


class ProfileChoice(StrEnum):
    """How an image came to its profile: named by the upload, by the file's settings, or for want of any."""

    NAMED = "named"
    SETTINGS = "settings"
    DEFAULT = "default"


class NoiseModelOrigin(StrEnum):
    BOOTSTRAP = "bootstrap"
    CALIBRATION = "calibration"
    IMPORT = "import"
    POOLED = "pooled"

    @property
    def is_of_data(self) -> bool:
        """True if the signal was estimated from noisy images, not measured: bootstrapped or pooled."""
        return self in {NoiseModelOrigin.BOOTSTRAP, NoiseModelOrigin.POOLED}


class HistoryAction(StrEnum):
    """What happened to a noise model of a profile and channel."""

    ACTIVATE = "activate"
    RETIRE = "retire"
    ROLL_BACK = "roll_back"
    DELETE = "delete"


class NoiseModelKind(StrEnum):
    """Family of a noise model's distributions: Gaussian mixtures or histograms."""

    GMM = "gmm"
    HISTOGRAM = "histogram"


class Method(StrEnum):
    """Training method of a network; `pretrained`: on simulated scenes and others, for images of all kinds.

    A `pretrained_stack` one was trained on simulated movies and sees planes with their neighbours.
    """

    N2V = "n2v"
    PN2V = "pn2v"
    CARE = "care"
    DISTILLED = "distilled"
    PRETRAINED = "pretrained"
    PRETRAINED_STACK = "pretrained_stack"

    @property
    def is_imported(self) -> bool:
        """True if `clearscope pretrain` makes such networks, so that they are imported; jobs make others."""
        return self in {Method.PRETRAINED, Method.PRETRAINED_STACK}

    @property
    def is_blind_spot(self) -> bool:
        """True if a prediction does not depend on its own pixel, so that residuals estimate the noise."""
        return self in {Method.N2V, Method.PN2V}


class Preset(StrEnum):
    """Training budgets, defined in worker.engine.training.presets; `instant` trains nothing."""

    INSTANT = "instant"
    FAST = "fast"
    BALANCED = "balanced"
    PAPER = "paper"

    @property
    def digest(self) -> str:
        """Digest of the preset's hyperparameters; it changes with a release that changes them.

        That of `instant` is the digest of the pretrained network.
        """
        return _DIGESTS[self]

    @property
    def trains(self) -> bool:
        """True if jobs with this preset train networks on their images."""
        return self is not Preset.INSTANT

    @property
    def distils(self) -> bool:
        """True if jobs with this preset distil a network from PN2V; the published recipe does not."""
        return self.trains and self is not Preset.PAPER

    @property
    def adaptation_digest(self) -> str | None:
        """Digest of the pretrained network and of how it is adapted to images; None: it is not."""
        return _ADAPTATION_DIGESTS.get(self)

    @property
    def warm_starts(self) -> bool:
        """True if PN2V networks are initialised with the weights of the N2V network."""
        return self.trains and self is not Preset.PAPER


_DIGESTS = {
    Preset.INSTANT: "93c4759f",
    Preset.FAST: "8002658c",
    Preset.BALANCED: "c8b16d83",
    Preset.PAPER: "73e167e0",
}
_ADAPTATION_DIGESTS = {Preset.FAST: "4bf60f8d", Preset.BALANCED: "008d52fd"}
DEFAULT_PRESET = Preset.BALANCED


class Prior(StrEnum):
    """What is known before the images are seen: the pretrained network, or nothing."""

    PRETRAINED = "pretrained"
    NONE = "none"


class Reuse(StrEnum):
    """Models that a job may reuse instead of computing them; each value includes those before it.

    `calibration`: a noise model that was calibrated or imported for this microscope and profile, or pooled
    from the pixels of many of its images.
    """

    NONE = "none"
    CALIBRATION = "calibration"
    NOISE_MODEL = "noise_model"
    NETWORK = "network"


class Output(StrEnum):
    """Outputs for each image: the best estimate, either of PN2V's two estimates, its uncertainty."""

    DENOISED = "denoised"
    PRIOR_MEAN = "prior_mean"
    MMSE = "mmse"
    POSTERIOR_STD = "posterior_std"


class OutputDtype(StrEnum):
    FLOAT32 = "float32"
    SAME = "same"


class OutputFormat(StrEnum):
    """File format of results; `same`: that of the image, or OME-TIFF for files of vendors."""

    SAME = "same"
    OME_TIFF = "ome-tiff"
    OME_ZARR = "ome-zarr"


class TiffCompression(StrEnum):
    """Lossless compression of the pixels of a TIFF file."""

    NONE = "none"
    DEFLATE = "deflate"
    ZSTD = "zstd"


class Queue(StrEnum):
    """Queue of a job: for workers with a GPU, or for any worker."""

    GPU = "gpu"
    CPU = "cpu"


class Scope(StrEnum):
    """Permissions of an API key."""

    READ = "read"
    SUBMIT = "submit"
    CALIBRATE = "calibrate"
    ADMIN = "admin"
