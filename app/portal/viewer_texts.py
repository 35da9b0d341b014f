"""English texts of the page that compares a result with its image."""

from typing import ClassVar


class Results:
    """Result of a job."""

    TITLE = "Result"
    TO_JOB = "About the job"
    NONE = "There is no result yet"
    FAILED = "This job has failed."
    CANCELLED = "This job was cancelled, so it has no result."
    RUNNING = "This job has not ended. Its page shows how far it is."
    PROGRESS = "Progress of the job"
    NO_TRUST = "This job does not tell whether to trust its result."
    NO_IMAGES = "This job has made no images to look at. Its files are below."
    NO_SCRIPT = "The viewer needs JavaScript. All files can be downloaded without."
    VIEWER = "Observation and result"
    STAGE = "Pictures: drag to move, turn the wheel to zoom"
    IMAGE = "Image"
    COMPARED = "Compare with"
    MODE = "View"
    SLIDER = "Slider"
    SIDE = "Side by side"
    FLICKER = "Flicker"
    LEFT_ONLY = "Observation only"
    RIGHT_ONLY = "Result only"
    OBSERVATION = "Observation"
    SIGNAL = "observation and result"
    LAYERS: ClassVar = {
        "denoised": "Denoised",
        "prior_mean": "Prior mean",
        "mmse": "MMSE estimate",
        "posterior_std": "Uncertainty (standard deviation)",
        "residual": "Residual (observation - result)",
    }
    LOADING = "Loading…"
    DIVIDER = "Slider between the pictures"
    ZOOM = "Zoom"
    ZOOM_IN = "Zoom in"
    ZOOM_OUT = "Zoom out"
    HOME = "Whole image"
    FULL = "1:1"
    AXES: ClassVar = {
        "T": "Time",
        "Z": "Depth",
        "C": "Channel",
        "P": "Position",
        "R": "Position",
        "I": "Page",
    }
    OF = "{number} of {count}"
    BLEND = "Blend channels in colours"
    BLENDED = "Blended channels; the contrast below is that of the chosen channel"
    COLOUR_OF = "Colour of {name}"
    CONTRAST = "Contrast"
    LOW = "Black"
    LOW_ADU = "Black, in ADU"
    HIGH = "White"
    HIGH_ADU = "White, in ADU"
    AUTO = "Automatic"
    RANGE = "This plane: {minimum} to {maximum} ADU"
    MISSING = "; {count} pixels without a number, magenta"
    WRONG_WINDOW = "Black must be below white."
    TILE_FAILED = "A part of the picture could not be loaded."
    IMAGE_DELETED = "The image has been deleted, so its result is shown without it."
    PROFILE = "Line profile"
    PROFILE_HINT = "Draw a line on the picture, or enter its ends in pixels."
    DRAW = "Draw a line"
    ENDS: ClassVar = {"from_x": "From X", "from_y": "From Y", "to_x": "To X", "to_y": "To Y"}
    SHOW_PROFILE = "Show the profile"
    DISTANCE = "Distance ({unit})"
    VALUE = "ADU"
    MINUS_SD = "Minus one standard deviation"
    PLUS_SD = "Plus one standard deviation"
    SHOWN_PROFILE = "Profile over {count} places, {length} {unit} long."
    KEYS = "Keys"
    KEYS_HINT = (
        "With the picture in focus: left and right: other planes; up and down: planes along the next axis; "
        "1 slider, 2 side by side, 3 flicker, 4 observation, 5 result; + and - zoom, 0 whole image; "
        "a automatic contrast; d result, r residual, u uncertainty."
    )
    WHY = "Why, in figures"
    CHANNEL = "Channel"
    SERIES = "series"
    CHOICE = "Estimate"
    JUDGED = "Planes judged"
    MISFITS = "of which do not fit:"
    NOISE_MODEL = "Noise model"
    UNCERTAINTY = "Mean uncertainty"
    BY_SIGNAL = "Removed noise by signal, against the noise model"
    BY_SIGNAL_HINT = (
        "Noise alone was removed if at every signal the variance of what was removed is that of the noise "
        "model (1) and its mean is zero. A variance above 1 in bright places, or a mean away from zero, "
        "means signal that the result lacks."
    )
    BY_SIGNAL_TABLE = "The same as a table"
    SIGNAL_ADU = "Signal (ADU)"
    VARIANCE = "Variance, relative to the noise model"
    MEAN = "Mean, in standard deviations of the noise"
    VARIANCE_AXIS = "Relative variance"
    MEAN_AXIS = "Mean (SD)"
    MEAN_ERROR = "Standard error of the mean"
    EXPECTED = "Noise model"
    MEASURED = "Removed noise"
    MINUS_SE = "Minus one standard error"
    PLUS_SE = "Plus one standard error"
    PIXELS = "Pixels"
    WARNINGS = "Warnings"
    NO_REPORT = "This job has no trust report."
    PREVIEW = "Observation, result and their difference"
    FILES = "Files"
    OPEN_IN = "Open in napari, neuroglancer or vizarr"
    LINKS_HINT = (
        "A link lets other programs read the shown image and what it is compared with as OME-Zarr, without "
        "an API key, whatever the format of the files. Whoever has the link can read, until it expires or "
        "somebody ends it."
    )
    MAKE_LINKS = "Make links to what is shown"
    LINKS_MADE = "Links to {name}, valid until {time}"
    END_LINKS = "End all links to {name}"
    LINKS_ENDED = "All links to {name} have ended, whoever made them."
    VALID_LINKS = "Links to what is shown that are valid"
    LINK_OF = "{name}: made {time} by {who}, valid until {until}"
    RESULT_OF_RESIDUAL = "Result"
    WITHOUT_KEY = "somebody without a key"
    END_LINK = "End"
    END_LINK_OF = "End the link to {name} of {time} by {who}"
    LINK_ENDED = "The link to {name} of {time} has ended."
    OPEN_NEUROGLANCER = "Open in neuroglancer"
    OPEN_VIZARR = "Open in vizarr"
    COPY = "Copy"
    COPY_OF = "Copy: {what}"
    COPIED = "Copied."
    NOT_COPIED = "The browser did not copy it; select the text and copy it."
    ADDRESS = "Address of the OME-Zarr"
    IN_NAPARI = "In napari, with the plugin napari-ome-zarr"
    IN_PYTHON = "In Python, with zarr, fsspec and aiohttp"
    WITHOUT_VIEWERS = (
        "The operator can offer links to neuroglancer and vizarr, by the settings "
        "CLEARSCOPE_NEUROGLANCER_URL and CLEARSCOPE_VIZARR_URL."
    )
    PROGRAMS: ClassVar = {
        "napari": {
            "text": "Download the files, then drop them on its window, or:",
            "command": "napari observation.tif result.tif",
        },
        "OME-Zarr in napari": {
            "text": "A result that is OME-Zarr comes as one file (.ozx). Unpack it, and open the folder with "
            "the plugin napari-ome-zarr:",
            "command": "unzip result.ozx -d result.ome.zarr\nnapari --plugin napari-ome-zarr result.ome.zarr",
        },
    }
