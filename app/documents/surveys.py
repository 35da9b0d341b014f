"""What an image's survey measured, for the API."""

from typing import Self

from pydantic import BaseModel, Field

from models_store.survey.survey import Survey


class CorrelationDocument(BaseModel):
    """Correlation of the noise of adjacent pixels, with standard errors."""

    y: float
    x: float
    error_y: float
    error_x: float


class NoiseLineDocument(BaseModel):
    """Noise variance: `gain_adu` * signal + `intercept_adu2`, but at least `floor_adu2`."""

    gain_adu: float
    intercept_adu2: float
    floor_adu2: float


class ExposureLevelDocument(BaseModel):
    """Planes of one exposure, other than that of most."""

    planes: int
    factor: float = Field(description="Their light relative to that of the planes beside them.")
    is_bound: bool = Field(description="Whether the factor is a limit.")
    first: list[int] = Field(description="The first of them, counted from 0.")


class BrightnessDocument(BaseModel):
    """Brightness of planes: mean above the darkest pixels of all planes looked at."""

    planes: int = Field(description="Planes looked at that hold data.")
    darkest: float = Field(description="Darkest plane, relative to the median.")
    brightest: float = Field(description="Brightest plane, relative to the median.")
    far_planes: int = Field(
        description=(
            "Planes of another exposure than most: from 1.3 times the light on if all of the field changes, "
            "along Z otherwise from 4."
        )
    )
    far_factor: float | None = Field(
        description="Their light relative to that of the planes beside them; of several exposures the median."
    )
    far_factor_is_bound: bool = Field(
        description="Whether the factor is a limit: at least so much light, or at most if it is below 1."
    )
    first_far: list[int] = Field(description="The first of them, counted from 0.")
    far_levels: list[ExposureLevelDocument] = Field(
        default=[], description="The same planes by exposures, the dimmest first."
    )
    last_to_first: float | None = Field(
        description="Of a time series: its last tenth relative to its first; small after bleaching."
    )
    positions: int
    darkest_position: float | None = Field(description="Darkest position, relative to the median one.")
    brightest_position: float | None = Field(description="Brightest position, relative to the median one.")
    plane_noise_ratio: float | None = Field(
        default=None,
        description="Largest ratio of the noise's variance at equal signals between planes of one series.",
    )
    position_noise_ratio: float | None = Field(
        description="Largest ratio of the noise's variance at equal signals between two positions."
    )
    copied_planes: int = Field(
        default=0, description="Planes with the pixels of an earlier one of their series."
    )
    first_copied: list[int] = Field(default=[], description="The first of them, counted from 0.")
    torn_planes: int = Field(
        default=0, description="Planes of which some rows have the pixels of an earlier one of their series."
    )
    first_torn: list[int] = Field(default=[], description="The first of them, counted from 0.")
    torn_rows: tuple[int, int] | None = Field(
        default=None, description="Rows of the first of them, counted from 0, without the end."
    )


class SurveyDocument(BaseModel):
    """Figures of a sample of an image's planes; empty planes count as planes only."""

    planes: int
    empty_planes: int
    pixels: int
    not_finite_px: int
    filled_px: int = Field(
        description="Pixels of one value without data: in areas, text or scale bars, or scattered."
    )
    missing_rows: int = Field(default=0, description="Whole rows of one value between others with data.")
    missing_columns: int = Field(default=0, description="Such columns.")
    outliers_px: int = Field(description="Hot and dead pixels, cosmic rays, and `written_px`.")
    written_px: int = Field(
        default=0, description="Scattered pixels that one value was written over, within the noise."
    )
    written_values_adu: list[float] = Field(default=[], description="The most frequent of these values.")
    cut_off_px: int = Field(default=0, description="Pixels whose values are cut off at the lowest one.")
    threshold_adu: float | None = Field(
        default=None, description="The lowest other value, if those below it were set to the lowest one."
    )
    torn_planes: int = Field(
        default=0,
        description="Planes in which the picture jumps between two rows, as if another frame began.",
    )
    first_torn: tuple[int, int] | None = Field(
        default=None, description="The first of them, and the row with which the other part begins, from 0."
    )
    min_adu: float | None
    max_adu: float | None
    levels: int | None = Field(description="Number of different values.")
    saturation_adu: float | None
    saturated_px: int
    noise_line: NoiseLineDocument | None
    noise_correlation: CorrelationDocument
    brightness: BrightnessDocument | None = Field(
        default=None, description="None: a single plane, or an image of several channels, which have it each."
    )
    channels: list["SurveyDocument"] = Field(default=[], description="Of an image with several channels.")

    @classmethod
    def of(cls, survey: Survey) -> Self:
        defects, values, correlation = survey.defects, survey.values, survey.noise_correlation
        # Channels have detector settings of their own.
        line = None if survey.channels else survey.noise.line
        return cls(
            planes=defects.planes,
            empty_planes=defects.empty_planes,
            pixels=defects.pixels,
            not_finite_px=defects.not_finite_px,
            filled_px=defects.filled_px,
            missing_rows=defects.missing_rows,
            missing_columns=defects.missing_columns,
            outliers_px=defects.outliers_px,
            written_px=defects.written_px,
            written_values_adu=[*defects.written_values_adu],
            cut_off_px=defects.cut_off_px,
            threshold_adu=defects.threshold_adu,
            torn_planes=survey.jumps.planes if survey.jumps else 0,
            first_torn=(survey.jumps.first_plane, survey.jumps.first_row) if survey.jumps else None,
            min_adu=values.min_adu if values else None,
            max_adu=values.max_adu if values else None,
            levels=values.levels if values else None,
            saturation_adu=survey.saturation_adu,
            saturated_px=values.saturated_px if values else 0,
            noise_line=NoiseLineDocument(**line.model_dump()) if line else None,
            noise_correlation=CorrelationDocument(
                y=correlation.y, x=correlation.x, error_y=correlation.error_y, error_x=correlation.error_x
            ),
            brightness=BrightnessDocument(**survey.brightness.model_dump()) if survey.brightness else None,
            channels=[cls.of(channel) for channel in survey.channels],
        )
