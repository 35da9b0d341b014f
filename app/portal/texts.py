"""English texts of the portal, a class for each view."""

from app.portal.denoise_texts import ChosenOptions, Options
from app.portal.registry_texts import Calibration, Charts, Instruments, Keys, NoiseModels
from app.portal.viewer_texts import Results

__all__ = [
    "Calibration",
    "Charts",
    "ChosenOptions",
    "Instruments",
    "Keys",
    "NoiseModels",
    "Options",
    "Results",
]


class Shell:
    """Texts of every page."""

    PRODUCT = "ClearScope"
    SKIP = "Skip to the content"
    NAVIGATION = "Main"
    API = "API"
    API_HINT = "Documentation of the API, for programs"
    SIGN_OUT = "Sign out"
    UNREACHABLE = "the server could not be reached; check the connection, and try again"
    OFFLINE = (
        "The connection to the server is lost. This page tries again by itself; what it shows may be old."
    )


class Navigation:
    """Names of views."""

    HOME = "Denoise"
    JOBS = "Jobs"
    INSTRUMENTS = "Instruments"
    KEYS = "API keys"


class Home:
    """The first page: files to upload, and the latest jobs."""

    TITLE = "Denoise images"
    NO_SCRIPTS = (
        "This page needs JavaScript. Without it, upload with the command clearscope submit or the API."
    )
    MAY_NOT = "Your key may not upload images. Ask the administrator for a key with the scope submit."
    CHOOSE = "Choose images"
    DROP = "Drop files or folders here, or choose them:"
    FILES = "Choose files"
    FOLDER = "Choose a folder"
    FORMATS = (
        "TIFF, OME-TIFF, CZI, ND2, LIF, IMS, MRC, SPE and SIF; OME-Zarr and sets of TIFF files as folders or "
        "ZIP archives."
    )
    MICROSCOPE = "Microscope"
    MICROSCOPE_OF_FILE = "What the file tells"
    CHOOSE_MICROSCOPE = "Choose one"
    MICROSCOPE_HINT = (
        "Noise models are kept for each microscope and used again. Your choice holds for the files that you "
        "choose next."
    )
    REGISTER = "Register its microscope"
    REGISTER_NAME = "Name of the microscope"
    REGISTER_NOW = "Register"
    PROFILE = "Acquisition profile"
    PROFILE_OF_FILE = "By the settings in the file"
    PROFILE_HINT = "Camera, readout, gain and binning, on which the noise depends."
    UNFINISHED = "Interrupted uploads"
    UNFINISHED_HINT = "Choose the same file or folder again: its upload goes on where it stopped."
    FORGET = "Delete"
    UPLOADS = "Uploads"
    PAUSE = "Pause"
    RESUME = "Resume"
    CANCEL = "Cancel"
    RETRY = "Try again"
    ONE_IMAGE = "Upload as one image"
    SEPARATE = "Upload each file"
    DENOISE_ONE = "Denoise this image"
    SERIES = "Images of this file to denoise"
    DENOISE = "Denoise"
    PRESET = "How much to compute"
    INSTANT = "Instant"
    INSTANT_HINT = (
        "Applies the network that comes with ClearScope, and measures the noise. Nothing is trained."
    )
    FAST = "Fast"
    FAST_HINT = (
        "Adapts that network to your image for a short while, and delivers the better of the two estimates."
    )
    BALANCED = "Balanced"
    BALANCED_HINT = "As Fast, with more training. Right for most images."
    PAPER = "As published"
    PAPER_HINT = "Trains N2V and PN2V from nothing, as in the paper. Takes longest."
    TOGETHER = "Learn from all images together"
    TOGETHER_HINT = (
        "For images of one specimen, taken with the same camera and settings. Otherwise each has its own job."
    )
    DENOISE_ALL = "Denoise all"
    PLAN = "What will be done"
    LATEST = "Latest jobs"
    NO_JOBS = "There are no jobs yet. Upload an image to begin."
    ALL_JOBS = "All jobs"


class Jobs:
    """The list of jobs."""

    TITLE = "Jobs"
    EMPTY = "There are no jobs yet."
    EMPTY_LINK = "Denoise an image"
    EMPTY_STATE = "No job has this state."
    FILTER = "Jobs by state"
    ALL = "All"
    PAGES = "Pages of the list"
    NEWEST = "Newest jobs"
    OLDER = "Older jobs"
    NO_WORKER = (
        "No worker was seen lately, so queued jobs wait until one starts. "
        "If this lasts, tell the administrator."
    )
    FULL = "You cannot start another job now."


class Job:
    """The page of one job."""

    TITLE = "Job"
    ALL = "All jobs"
    TRUST = "Can you trust the result?"
    PREVIEW = "Observation, result and their difference, side by side"
    WARNINGS = "Warnings"
    FILES = "Files"
    NO_FILES = "This job makes no files."
    STAGES = "Stages"
    EVENTS = "What happened"
    SHOW_EVENTS = "Show all events"


class JobCard:
    """A job in a list and on its page; scripts fill it."""

    RESULT = "Compare with the image"
    CANCEL = "Cancel"
    RETRY = "Try again"
    DELETE = "Delete"
    KEEP = "Keep"
    DELETE_QUESTION = "Delete the job of {name} with its results? This cannot be undone."
    DELETED = "The job of {name} is deleted."
    DELETED_IMAGE = "deleted image"
    AND_MORE = "{name} and {more} more"
    PROGRESS_OF = "Progress of {name}"
    CHANNEL = "channel"
    LEFT_MOMENT = "less than a minute left"
    LEFT_MINUTES = "about {minutes} min left"
    LEFT_HOURS = "about {hours} h {minutes} min left"
    STATES = {  # noqa: RUF012  # read only
        "queued": "Waiting",
        "running": "Running",
        "succeeded": "Done",
        "failed": "Failed",
        "cancelled": "Cancelled",
    }
    KINDS = {  # noqa: RUF012  # read only
        "denoise": "Denoise",
        "train": "Train a network",
        "predict": "Predict",
        "fit_noise_model": "Fit a noise model",
        "bootstrap_noise_model": "Bootstrap a noise model",
        "pool_noise_model": "Pool noise models",
        "check_noise_model": "Check a camera",
        "evaluate": "Evaluate",
    }
    PRESETS = {  # noqa: RUF012  # read only
        "instant": "instant",
        "fast": "fast",
        "balanced": "balanced",
        "paper": "as published",
    }
    STAGES = {  # noqa: RUF012  # read only
        "n2v": "Train a first network",
        "noise_model": "Find the noise model",
        "pn2v": "Train the network with the noise model",
        "distil": "Teach a quick network",
        "predict": "Compute the result",
    }
    EVENTS = {  # noqa: RUF012  # read only
        "queued": "posted",
        "claimed": "a worker began",
        "requeued": "handed back to the queue",
        "retried": "tried again",
        "succeeded": "done",
        "failed": "failed",
        "cancelled": "cancelled",
        "warning": "warning",
    }


class Upload:
    """Texts that the scripts of the first page put together."""

    ASK = "Are the {count} files of this folder one image (a set), or images of their own?"
    PACKING = "Reading the folder: {done} of {size}"
    WAITING = "Waits for its turn"
    SENDING = "{done} of {size}"
    READING = "The server reads the file"
    PAUSED = "Paused at {done} of {size}"
    RETRYING = "The connection is lost. Trying again; what was sent is kept."
    FINISHED = "Uploaded"
    CANCELLED = "Cancelled"
    REFUSED = "Not accepted: {detail}"
    LOST = "The server could not be reached. What was sent is kept: try again when the connection is back."
    UNREADABLE = (
        "The browser can no longer read the file. Choose it again: the upload goes on where it stopped."
    )
    ALREADY = "{name} is in the list already."
    EMPTY_FOLDER = "The folder {name} has no files."
    INTERRUPTED = "{done} of {size}, until {until}"
    PREVIEW = "Middle plane of {name}"
    SIZE = "Size"
    PIXEL_SIZE = "Pixel size"
    CAMERA = "Camera"
    PROFILE = "Profile"
    NO_PROFILE = "none: the image has no microscope"
    ORIGIN_NONE = "None"
    ORIGIN_BY_FILE = "By the settings in the file"
    ORIGIN_FROM_FILE = "From the file: {told}."
    ORIGIN_OTHER = "The file tells {told}, which is of {microscope}. Is this the right microscope?"
    ORIGIN_PERHAPS = "The file tells {told}: it may be of {microscope}. Choose it above if it is."
    ORIGIN_SEVERAL = "Several microscopes fit what the file tells ({told}): {microscope}. Choose one above."
    ORIGIN_UNKNOWN = "The file tells {camera}, which no registered microscope has."
    ORIGIN_SILENT = "The file tells neither its microscope nor its camera."
    ORIGIN_SERIAL = "serial number {serial}"
    TOLD_BY_FILE = "{profile} of {microscope}, by the settings in the file"
    DEFAULT_PROFILE = "{profile} of {microscope}; the file tells no settings"
    NAMED_PROFILE = "{profile} of {microscope}"
    SERIES = "Images in the file"
    SERIES_ALL = "All"
    SERIES_ENTRY = "{number} {name} ({size})"
    SERIES_UNUSABLE = "{entry} cannot be denoised: {why}"
    NOTHING_CHOSEN = "Choose at least one image of the files."
    NO_WARNINGS = "Nothing unusual was found."
    UNSEEN = "The server has not checked the pixels yet; the job will do so first."
    ALL = "Denoise all {count} images"
    COMPUTE = "{stage}: computed. {why}"
    REUSE = "{stage}: taken from an earlier job. {why}"
    SKIP = "{stage}: not needed. {why}"
    STAGES = JobCard.STAGES
    PLANNING = "Asking the server"
    TIME_BETWEEN = (
        "Such a job takes {shortest} to {longest} once it runs, judging by earlier ones on this server."
    )
    TIME_ABOUT = "Such a job takes about {shortest} once it runs, judging by earlier ones on this server."
    TIME_UNKNOWN = "How long it takes is not known: no job like it has ended on this server yet."


class SignIn:
    """Signing in."""

    TITLE = "Sign in"
    WHY = "This server asks for an API key. The administrator of the server creates keys."
    KEY = "API key"
    KEY_HINT = "It begins with cs_. The browser keeps it where no script can read it."
    STAY = "Stay signed in on this computer for 30 days"
    STAY_HINT = "Leave this unchecked on a computer that others use."
    SUBMIT = "Sign in"


class Error:
    """Pages that tell of an error."""

    NOT_FOUND = "Not found"
    NOT_FOUND_HINT = "It may have been deleted, or your key may not see it."
    FORBIDDEN = "Not allowed"
    TOO_MANY = "Too many requests"
    OTHER = "Something went wrong"
    REQUEST = "Request"
    REQUEST_HINT = "Tell the administrator this number, to find the request in the server's log."
    HOME = "To the first page"
