"""The words that tables, API and workers share."""

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


class NoiseModelOrigin(StrEnum):
    BOOTSTRAP = "bootstrap"
    CALIBRATION = "calibration"
    IMPORT = "import"


class NoiseModelKind(StrEnum):
    """What a noise model's distributions are: mixtures of Gaussians, or what was counted."""

    GMM = "gmm"
    HISTOGRAM = "histogram"


class Method(StrEnum):
    """How a network was trained."""

    N2V = "n2v"
    PN2V = "pn2v"
    CARE = "care"
    DISTILLED = "distilled"

    @property
    def is_blind_spot(self) -> bool:
        """Whether a prediction excludes its own pixel, so that residuals are noise."""
        return self in {Method.N2V, Method.PN2V}


class Preset(StrEnum):
    """Training budgets; worker.engine.training.presets says what each one means."""

    FAST = "fast"
    BALANCED = "balanced"
    PAPER = "paper"

    @property
    def digest(self) -> str:
        """Names the numbers of the preset that decide a network; a release that changes them changes it."""
        return _DIGESTS[self]

    @property
    def distils(self) -> bool:
        """Whether jobs with it distil a network from PN2V: the published recipe does not."""
        return self is not Preset.PAPER

    @property
    def warm_starts(self) -> bool:
        """Whether PN2V networks start from the weights of the N2V network."""
        return self is not Preset.PAPER


_DIGESTS = {Preset.FAST: "70e2cfb3", Preset.BALANCED: "b57fc1dc", Preset.PAPER: "9797e44f"}
DEFAULT_PRESET = Preset.BALANCED


class Reuse(StrEnum):
    """What a job may take from the registry instead of computing it again; each more than those before it.

    `calibration`: a noise model that somebody calibrated or imported for this microscope and profile.
    """

    NONE = "none"
    CALIBRATION = "calibration"
    NOISE_MODEL = "noise_model"
    NETWORK = "network"


class Output(StrEnum):
    """What is written of each image: the best estimate, either of PN2V's two, its uncertainty."""

    DENOISED = "denoised"
    PRIOR_MEAN = "prior_mean"
    MMSE = "mmse"
    POSTERIOR_STD = "posterior_std"


class OutputDtype(StrEnum):
    FLOAT32 = "float32"
    SAME = "same"


class Queue(StrEnum):
    """Which workers take a job: those with a GPU, or any."""

    GPU = "gpu"
    CPU = "cpu"


class Scope(StrEnum):
    """What an API key may do."""

    READ = "read"
    SUBMIT = "submit"
    CALIBRATE = "calibrate"
    ADMIN = "admin"
