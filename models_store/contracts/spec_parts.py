"""Fields and base classes shared by several job specs."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from models_store.contracts.numbers import JSON_NUMBER, LARGEST_EXACT_INTEGER
from models_store.contracts.vocabulary import (
    DEFAULT_PRESET,
    Output,
    OutputDtype,
    OutputFormat,
    Preset,
    TiffCompression,
)

MAX_IMAGES_PER_JOB = 1000
MAX_SERIES = 10_000
"""Images in one file."""
MAX_URL_CHARACTERS = 2000
MAX_CHANNELS = 100
"""Each channel is denoised with networks of its own."""
# structN2V hides up to five neighbours; with many more, no nearby pixels are left to predict from.
MAX_MASK_PX = 8

Item = TypeVar("Item")


def _require_unique(items: Sequence[Item]) -> Sequence[Item]:
    if len(set(items)) != len(items):
        raise ValueError("each may be named only once")
    return items


Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
"""Name or id of a microscope or profile."""
ImageIds = Annotated[
    list[Id],
    Field(
        min_length=1,
        max_length=MAX_IMAGES_PER_JOB,
        description="Ids of uploaded images.",
        json_schema_extra={"uniqueItems": True},
    ),
    AfterValidator(_require_unique),
]
GroundTruthIds = Annotated[
    list[Id],
    Field(
        min_length=1,
        max_length=MAX_IMAGES_PER_JOB,
        description="Ids of clean images (role `ground_truth`), in the order of the images. One of a single "
        "plane applies to every plane of its image; one id may be given for several images.",
    ),
]
Seed = Annotated[
    int,
    Field(
        ge=0,
        le=LARGEST_EXACT_INTEGER,
        description="Random seed; results are deterministic for a given seed and device.",
    ),
    JSON_NUMBER,
]


Outputs = Annotated[
    tuple[Output, ...],
    Field(
        min_length=1,
        max_length=len(Output),
        description="Result files to write for each image.",
        json_schema_extra={"uniqueItems": True},
    ),
    AfterValidator(_require_unique),
]

KeepHotPixels = Annotated[
    bool,
    Field(
        strict=True,
        description="Leave hot and dead pixels as they are in the result. By default it has estimates from "
        "their neighbours in their places.",
    ),
]

Force = Annotated[
    bool,
    Field(
        strict=True,
        description="Use the noise model although it does not explain the images' noise; the result warns.",
    ),
]

SeriesNumbers = Annotated[
    tuple[Annotated[int, Field(ge=0, lt=MAX_SERIES), JSON_NUMBER], ...],
    Field(min_length=1, max_length=MAX_IMAGES_PER_JOB, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_require_unique),
]

Channel = Annotated[
    int,
    Field(
        ge=0,
        lt=MAX_CHANNELS,
        description="Index along the axis C, from 0.",
    ),
    JSON_NUMBER,
]
OneOfSeveral = Annotated[
    Channel | None,
    Field(
        description="Index along the axis C, from 0: only the planes of this channel are read. Images with "
        "several channels need it, as each has a detector, a gain and dyes of its own; others have none.",
    ),
]


Named = TypeVar("Named")


def entry_of_channel(named: Named | tuple[Named | None, ...] | None, channel: int | None) -> Named | None:
    """Return what is named for a channel, or for an image with a single one (None)."""
    return named[channel or 0] if isinstance(named, tuple) else named


CHANNEL_LABEL = r"^[^\x00-\x1f]{1,200}$"
"""Pattern of names by which the registry knows channels."""
ChannelLabel = Annotated[str, Field(pattern=CHANNEL_LABEL)]


def require_kind(schema: dict[str, Any]) -> None:
    """Mark `kind` as required in the JSON schema; its default serves Python code only."""
    if "kind" in schema["properties"]:
        schema["required"] = ["kind", *schema.get("required", [])]


def where_named(field: str) -> dict[str, Any]:
    """Return the JSON schema of specs that name something in a field."""
    return {"properties": {field: {"type": "string"}}, "required": [field]}


class Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=require_kind)


class ResultFiles(Spec):
    """How result files are written."""

    output_dtype: OutputDtype = Field(
        default=OutputDtype.FLOAT32,
        description="Pixel type of the results. `same`: that of the image; values are rounded and clipped, "
        "and a warning tells the share of clipped pixels.",
    )
    output_format: OutputFormat = Field(
        default=OutputFormat.SAME,
        description="File format of the results. `same`: ImageJ, OME-TIFF, plain TIFF or OME-Zarr, as the "
        "image is; OME-TIFF for files of vendors. `ome-zarr`: OME-Zarr 0.5 in one ZIP file (.ozx).",
    )
    output_compression: TiffCompression = Field(
        default=TiffCompression.NONE,
        description="Lossless compression of TIFF results. OME-Zarr is always compressed, with zstd.",
    )
    output_tiled: bool = Field(
        default=False,
        strict=True,
        description="TIFF results have tiles instead of strips, for programs that read regions of large "
        "planes. ImageJ and ITK do not read them.",
    )

    @property
    def result_files(self) -> dict[str, Any]:
        """Return the fields above, for the spec of a stage."""
        return {name: getattr(self, name) for name in ResultFiles.model_fields}


class MadeByJob(Spec):
    """Reference to the network or noise model that another job makes; this job waits for it."""

    job: Id


Reference = Id | MadeByJob

_EACH = Field(
    min_length=1,
    max_length=MAX_CHANNELS,
    description="One entry for each channel, in the order of the file; null: none is named for it.",
)
IdsOfChannels = Annotated[tuple[Id | None, ...], _EACH]
ReferencesOfChannels = Annotated[tuple[Reference | None, ...], _EACH]

PRETRAINED = "pretrained"
"""In place of a network's id: the network that comes with ClearScope, trained once for all images."""

PACKAGED = "packaged"
"""In place of the id of a pretrained network: the one that comes with ClearScope, whatever was imported."""


class PartOfPrediction(MadeByJob):
    """Reference to the planes that a part computes: those of one channel, or of all (None)."""

    channel: Channel | None = None


class TrainingBudget(Spec):
    """Overrides of the preset, for experts."""

    steps: Annotated[int, Field(ge=1, le=100_000), JSON_NUMBER] | None = None
    features: Annotated[int, Field(ge=4, le=128, multiple_of=4), JSON_NUMBER] | None = None
    samples: Annotated[int, Field(ge=8, le=2000), JSON_NUMBER] | None = None


class StructuredMask(Spec):
    """Number of neighbours on each side of a masked pixel that are hidden too, per axis (structN2V)."""

    y_px: Annotated[int, Field(ge=0, le=MAX_MASK_PX), JSON_NUMBER] = 0
    x_px: Annotated[int, Field(ge=0, le=MAX_MASK_PX), JSON_NUMBER] = 0


class TrainingSpec(Spec):
    preset: Preset = DEFAULT_PRESET
    budget: TrainingBudget = TrainingBudget()
    structured_mask: StructuredMask | None = Field(
        default=None,
        description=(
            "For noise that is correlated between neighbouring pixels: how many neighbours on each side are "
            "hidden from the network."
        ),
    )

    @property
    def hides_neighbours(self) -> bool:
        return self.structured_mask not in {None, StructuredMask()}

    @property
    def recipe(self) -> str:
        return self.recipe_of(teaches=False)

    def recipe_of(self, *, teaches: bool) -> str:
        """Return preset, digest and overrides; networks of the same recipe are interchangeable.

        `teaches`: the network is a teacher of a distilled one, which takes fewer steps than the preset has.
        """
        overrides = self.budget.model_dump(exclude_none=True).items()
        words = [f"{self.preset}@{self.preset.digest}", *(f"{name}={value}" for name, value in overrides)]
        mask = self.structured_mask
        if mask is not None and self.hides_neighbours:
            words.append(f"mask={mask.y_px}x{mask.x_px}")
        if teaches and self.budget.steps is None:
            words.append("teaches")
        return " ".join(words)

    def prior_word(self, start: str) -> str:
        """Return the word in the recipe of a network that starts from a pretrained one, by its id."""
        imported = "" if start == PRETRAINED else f":{start}"
        return f"prior={self.preset.adaptation_digest}{imported}"


class PostedSpec(Spec):
    series: SeriesNumbers | None = Field(
        default=None,
        description="Of images whose files hold several (scenes, series, positions): the numbers of those to "
        "work on, from 0. Default: all that can be denoised.",
    )
    webhook_url: str | None = Field(
        default=None,
        pattern=r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?#][!-\[\]-~]*)?$",
        max_length=MAX_URL_CHARACTERS,
        # The URL may hold a secret, so job documents do not show it.
        exclude=True,
        description="URL that receives a signed POST when the job has ended.",
    )


HIDES_NOTHING = {"anyOf": [{"type": "null"}, {"properties": {"y_px": {"const": 0}, "x_px": {"const": 0}}}]}
"""JSON schema of a structured mask that hides no neighbours."""
