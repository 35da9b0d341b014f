"""English texts of the portal about the options of denoise jobs."""

from typing import ClassVar

from app.portal.registry_texts import Instruments


class Options:
    """What may be chosen beside the preset."""

    TITLE = "Options"
    METHOD = "Method"
    AUTOMATIC = "Adapt a trained network"
    AUTOMATIC_HINT = (
        "Starts from the network that comes with ClearScope, or the one that your facility imported for the "
        "microscope, and trains from nothing where neighbouring pixels share their noise."
    )
    PACKAGED = "Adapt the network that comes with ClearScope"
    PACKAGED_HINT = "As above, but never with an imported network."
    FROM_NOTHING = "Train PN2V from nothing"
    FROM_NOTHING_HINT = (
        "Learns from your image alone, with Noise2Void and then Probabilistic Noise2Void: takes longer. For "
        "images unlike any others, or to be sure that nothing in the result comes from other images."
    )
    NOISE_MODEL = "Noise model"
    NOISE_AUTOMATIC = "Automatic"
    NOISE_AUTOMATIC_HINT = (
        "Takes the calibrated noise model of the microscope where it explains the image, and else measures "
        "the noise in the image."
    )
    NOISE_ALONE = "From nothing"
    NOISE_ALONE_HINT = "Measures the noise in the image, whatever was measured before."
    NOISE_EARLIER = "Also from earlier images"
    NOISE_EARLIER_HINT = (
        "As automatic, and takes as well what was measured in earlier images with the same profile."
    )
    NOISE_STORED = "A stored version"
    FORCE = "Use it even if it does not explain the noise of the image"
    FORCE_HINT = "Otherwise such a noise model is refused. The result tells of it."
    FILES = "Results"
    UNCERTAINTY = "Uncertainty map"
    UNCERTAINTY_HINT = "A second file that tells how certain each pixel is (its standard deviation)."
    PN2V = "The two estimates of PN2V"
    PN2V_HINT = "Two more files, prior mean and MMSE, for comparison; with them, networks train from nothing."
    HOT_PIXELS = "Leave hot and dead pixels as they are"
    HOT_PIXELS_HINT = "Otherwise the result has estimates from neighbouring pixels in their place."
    FORMAT = "File format"
    FORMATS: ClassVar[dict[str, str]] = {
        "same": "As the image has it",
        "ome-tiff": "OME-TIFF",
        "ome-zarr": "OME-Zarr, in one .ozx file",
    }
    FORMAT_HINT = "Images in formats of vendors become OME-TIFF."
    DTYPE = "Values"
    DTYPES: ClassVar[dict[str, str]] = {
        "float32": "32-bit floating point",
        "same": "As the image has them",
    }
    DTYPE_HINT = (
        "Values as the image has them are rounded and clipped; the result tells how many were clipped."
    )
    CHANNEL = "Channels"
    CHANNEL_HINT = "If you choose one, the others are copied as they are."


class ChosenOptions:
    """Texts about options that scripts put together."""

    OPTIONS_CHANGED = "Options (changed)"
    OPTIONS_DEFAULT = Options.TITLE
    STORED_HINT = "You choose one of the versions of {microscope}."
    STORED_NO_MICROSCOPE = "There is none to choose: the image has no microscope."
    STORED_DIFFERENT = "There is none to choose: the images are of different microscopes."
    STORED_NONE = "There is none to choose: {microscope} has no noise model yet."
    STORED_UNKNOWN = "The versions could not be read: {detail}"
    STORED_NEWEST = "You choose one of the newest 200 versions of {microscope}."
    STORED_OF = "Noise model of {channel}"
    STORED_ONE = "Version"
    STORED_VERSION = "version {version}, {origin}, {date}"
    STORED_ACTIVE = "active"
    STORED_DRIFTED = "the camera has drifted since"
    STORED_CHANNEL = "for {channel}"
    STORED_AUTOMATIC = "automatic"
    REFUSED_VERSION = "{why}. Choose another version or “{automatic}”, or check the box “{box}”."
    FORCE = Options.FORCE
    NOISE_AUTOMATIC = Options.NOISE_AUTOMATIC
    ORIGINS = Instruments.ORIGINS
    ALL_CHANNELS = "all"
    ONLY_CHANNEL = "only {channel}"
    UNNAMED_CHANNEL = "channel {number}"
