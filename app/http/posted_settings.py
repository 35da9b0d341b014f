"""Acquisition settings that requests tell."""

from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from models_store.contracts.numbers import JSON_NUMBER
from models_store.image_files.setting_values import alike, binning

_MAX_BINNING = 64
_MAX_SETTINGS = 50
# The field of a name or text: something to see, no control characters, no white space at the ends.
_PRINTED = r"^[!-~\u00a1-\uffff]([ -~\u00a1-\uffff]*[!-~\u00a1-\uffff])?$"
_UP_TO_64 = "([1-9]|[1-5][0-9]|6[0-4])"

Text = Annotated[str, Field(max_length=200)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), JSON_NUMBER]


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a text or a number")  # noqa: TRY004  # pydantic collects ValueErrors
    return value


def _distinct(settings: dict[str, str | float]) -> dict[str, str | float]:
    names = [alike(name) for name in settings]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names the same setting twice: {', '.join(twice)}; case and spaces do not matter")
    return settings


OwnSettings = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=100, pattern=_PRINTED)],
        Annotated[
            # Not of a text, which would be a number of more characters than a text may have.
            Annotated[float, Field(allow_inf_nan=False, strict=True)]
            | Annotated[str, Field(min_length=1, max_length=100, pattern=_PRINTED)],
            BeforeValidator(_no_bool),
        ],
    ],
    # Names that do not fit the pattern are refused, which patternProperties alone do not say.
    Field(max_length=_MAX_SETTINGS, json_schema_extra={"additionalProperties": False}),
    AfterValidator(_distinct),
]
Binning = (
    Annotated[int, Field(ge=1, le=_MAX_BINNING), JSON_NUMBER]
    | Annotated[str, Field(pattern=rf"^{_UP_TO_64}(x{_UP_TO_64})?$")]
)


class PostedSettings(BaseModel):
    """Settings that determine the noise of an image; leave out what is unknown.

    Case, spaces, the order of `settings` and the spelling of numbers do not matter.
    """

    model_config = ConfigDict(extra="forbid")

    camera: Text | None = None
    readout_mode: Text | None = None
    gain: Positive | None = None
    binning: Annotated[Binning | None, Field(description="Pixels along X and Y: 2, 2x2 or 2x1.")] = None
    exposure_ms: Annotated[
        Positive | None, Field(description="Recorded, but no part of what tells profiles apart.")
    ] = None
    bit_depth: Annotated[int, Field(ge=1, le=64), JSON_NUMBER] | None = None
    offset_adu: Annotated[float, Field(allow_inf_nan=False), JSON_NUMBER] | None = None
    camera_serial: Text | None = None
    gain_name: (
        Annotated[str, Field(max_length=200, description="Name or step of the gain, as files spell it.")]
        | None
    ) = None
    em_gain: Positive | None = None
    region_height_px: Annotated[
        Annotated[int, Field(ge=1, le=2**31 - 1), JSON_NUMBER] | None,
        Field(description="Rows that are read out, on which the noise of a rolling shutter depends."),
    ] = None
    settings: Annotated[
        OwnSettings | None,
        Field(description="Settings of your own on which the noise depends: texts and numbers by name."),
    ] = None

    @property
    def columns(self) -> dict[str, Any]:
        """Settings by the name of their column in the table of profiles."""
        told = self.model_dump(include=set(PostedSettings.model_fields))
        xy = "" if self.binning is None else binning(self.binning) or ""
        x_px, _, y_px = xy.partition("x")
        return {**told, "binning": int(x_px) if xy and x_px == y_px else None, "binning_xy": xy or None}


def parse_settings(text: str, place: tuple[str, ...] = ("query", "settings")) -> PostedSettings:
    """Read settings from the JSON of a parameter at `place`. Raises RequestValidationError."""
    try:
        return PostedSettings.model_validate_json(text)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError([{**each, "loc": (*place, *each["loc"])} for each in found]) from error
