"""English texts of the portal about instruments, noise models and API keys."""

from typing import ClassVar


class Instruments:
    """Microscopes, their profiles and versions of noise models."""

    TITLE = "Instruments"
    MICROSCOPE = "Microscope"
    ABOUT = "About"
    PROFILES = "Profiles"
    MODELS = "Active noise models"
    EMPTY = (
        "No microscope is registered yet. An administrator registers them here, or with POST /v1/microscopes."
    )
    OLDER = "Older microscopes"
    OLDER_PROFILES = "Older profiles"
    REGISTER = "Register a microscope"
    NAME = "Name"
    MANUFACTURER = "Manufacturer"
    MODEL = "Model"
    MODALITY = "Modality, such as confocal"
    SITE = "Site, such as a room"
    REPORT = "Camera report of this month"
    REPORT_CRATE = "the same as RO-Crate"
    NO_PROFILES = (
        "No profile yet. The first image of this microscope makes one from the settings in its file."
    )
    NO_SETTINGS = "No settings of the camera are known."
    VERSIONS = "Noise models"
    VERSION = "Version"
    ORIGIN = "Origin"
    CHANNEL = "Channel"
    RANGE = "Signals (ADU)"
    MADE = "Made (UTC)"
    STATE = "State"
    ALL = "all"
    ACTIVE = "active"
    RETIRED = "retired"
    DRIFTED = "drifted"
    DRIFT_TOLD = "The camera has drifted since:"
    NEWEST_ONLY = "Only the newest 20 versions are shown; GET /v1/noise-models lists all."
    NO_VERSIONS = "No noise model yet. Calibrate the camera below, or let a job bootstrap one."
    REPORT_ALT = "Density, slices, photon transfer curve and history of version"
    CHARTS = "Control charts"
    OVER_SETTINGS = "Cameras over all their settings"
    OVER_SETTINGS_TOLD = (
        "Deviations of the latest 200 checks, each from its own reference and in its own limits: beyond 1 "
        "and -1, a figure has drifted."
    )
    NO_CHARTS = "No check of this camera yet. Each check adds a point to the charts: send frames below."
    HISTORY = "History"
    WHEN = "When (UTC)"
    WHAT = "What"
    WHO = "Who"
    WHY = "Why"
    NOBODY = "not known"
    NO_REASON = "no reason given"
    ACTIONS: ClassVar[dict[str, str]] = {
        "activate": "activated",
        "retire": "retired",
        "roll_back": "restored by a roll-back",
        "delete": "deleted",
    }
    ORIGINS: ClassVar[dict[str, str]] = {
        "calibration": "calibrated",
        "bootstrap": "bootstrapped from images",
        "pooled": "pooled from many images",
        "import": "imported",
    }
    VERDICTS: ClassVar[dict[str, str]] = {"ok": "as it was", "drifted": "drifted", "undecided": "undecided"}


class Calibration:
    """Frames of a static scene, and what is done with them."""

    TITLE = "Calibrate or check this camera"
    EXPLAINED = (
        "Record at least 20 frames of one scene that does not move, ideally out of focus, with these "
        "settings, and save them as one stack. The scene should be as bright and as dark as your images. "
        "The frames are checked before anything is made of them:"
    )
    CHECKS = (
        "The lamp: whether brightness falls, rises or flickers by more than noise explains.",
        "Motion: whether a fifth of the variance, or more, is not noise.",
        "Saturation: whether more than half of the pixels have the highest value.",
        "Linearity, hot pixels, and noise that neighbours share.",
    )
    FRAMES = "Frames"
    DARK = "Frames without light, with the same exposure (they tell offset and read noise apart)"
    CHANNEL = "Channel, if the profile has several (its name or number)"
    WHAT = "What to do"
    CHECK = "Check whether the active noise model still holds"
    FIT = "Fit a new noise model, which becomes the active one"
    SEND = "Send"
    CANCEL = "Cancel"
    SENDING = "{name}: {done} of {size}"
    READING = "The server reads {name}."
    RETRYING = "The connection is lost. Trying again; what was sent is kept."
    LOST = "The server could not be reached. What was sent is kept: send again when the connection is back."
    UNREADABLE = (
        "The browser can no longer read the file. Choose it again, and send: it goes on where it stopped."
    )
    CANCELLED = "Cancelled. What was sent has been deleted."
    INTERRUPTED = (
        "{name} was interrupted at {done} of {size}: choose it again and send, and it goes on there."
    )
    RUNNING = "The frames are being measured by job {id}. You may leave this page."
    FITTED = "The noise model has been fitted and is the active one; reload this page to see it"
    ENDED = "the job ended as {state}"
    SCENE = "{name}: {frames} frames"
    LIGHT = "Light"
    LIGHT_FOUND = (
        "changes by {change} % from the first to the last frames; flicker is {flicker} % of the variance"
    )
    MOTION = "Motion"
    MOTION_FOUND = (
        "{y}, {x} px (y, x) from the first to the last frames, {motion} % of the variance; consecutive "
        "frames share {shared} %"
    )
    SATURATION = "Saturation"
    SATURATION_FOUND = "{high} % of the pixels at the highest value, {low} % at the lowest"
    NEIGHBOURS = "Noise of neighbours"
    NEIGHBOURS_FOUND = "correlation of {y} along Y and {x} along X"
    SIGNALS = "Signals"
    SIGNALS_FOUND = "{lowest} to {highest} ADU"
    FIGURES = "The camera beside the active noise model"
    FIGURE_FOUND = "{value} ± {error}{unit}: {verdict}"
    NOTHING_UNUSUAL = "Nothing unusual was found."


class Charts:
    """Control charts; scripts put the texts together."""

    CHECKS_OF = "Checks of {title}"
    POINT = "{at}: {value} ± {error}, {verdict}; by {source}, for version {version}."
    LIMITS = "Limits: {lower} to {upper}."
    LIMIT_UNIT = "limits"
    OF_PROFILE = "Profile: {profile}."
    NO_LIMITS = "No limits: there was nothing to compare with."
    VERDICTS = Instruments.VERDICTS
    SOURCES: ClassVar[dict[str, str]] = {"calibration": "frames of a static scene", "image": "an image"}


class NoiseModels:
    """A noise model."""

    TITLE = "Noise model, version"
    ABOUT = "What is known of it"
    ID = "Id"
    GAIN = "Gain (ADU per electron)"
    PAIRS = "Pairs of signal and observation"
    LIKELIHOOD = "Mean negative log-likelihood (nats)"
    IMAGES = "Images"
    SOFTWARE = "ClearScope"
    DIGEST = "SHA-256 of the parameters"
    UNKNOWN = "not known"
    RETIRED = "Retired at"
    PARAMETERS = "Parameters and quality of the fit"
    EXPORT = "Export in the published format"
    RECORD = "Everything as JSON"
    REPORT = "Report as PNG"
    CHANGE = "Change what is active"
    REASON = "Reason"
    REASON_HINT = "It is kept in the history with the name of your key, and cannot be changed later."
    ACTIVATE = "Activate this version"
    ROLL_BACK = "Roll back to the version before"
    RETIRE = "Retire this version"


class Keys:
    """API keys and what they use."""

    TITLE = "API keys"
    NONE = "This server asks for no API key. On the server's machine, this creates the first:"
    OWN = "Your key"
    MICROSCOPES = "Microscopes"
    ALL = "all"
    EXPIRES = "Expires at (UTC)"
    BYTES = "Storage"
    JOBS = "Jobs that have not ended"
    OF = "of"
    OLDER = "Older keys"
    REQUESTS = "requests per minute"
    CREATE = "Create a key"
    NAME = "Name: owner or purpose"
    SCOPES = "Scopes"
    SCOPE_HINTS: ClassVar[dict[str, str]] = {
        "read": "look at everything and download",
        "submit": "upload images and post jobs",
        "calibrate": "change noise models and profiles",
        "admin": "all of these, and microscopes and keys",
    }
    BOUND = "Only these microscopes"
    BOUND_HINT = "Names, separated by commas; empty: all."
    DAYS = "Expires after days (empty: never)"
    JOBS_LIMIT = "Unfinished jobs at most (empty: the server's limit)"
    SHOWN_ONCE = "Copy this key now. It is not shown again."
    COPY = "Copy"
    EVERY = "All keys"
    USAGE = "Usage"
    LAST_USED = "Last used (UTC)"
    NEVER = "never"
    STATE = "State"
    STATES: ClassVar[dict[str, str]] = {"valid": "valid", "expired": "expired", "revoked": "revoked"}
    REVOKE = "Revoke"
    REVOKE_NOW = "Revoke for good"
    REVOKE_HINT = "Whoever uses this key loses access within two seconds. It cannot be undone."
