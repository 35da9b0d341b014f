"""What users should know of an image before hours of work, in one sentence each."""

from collections.abc import Sequence
from statistics import median

from models_store.survey.brightness import Brightness, ExposureLevel
from models_store.survey.correlation import NeighbourCorrelation
from models_store.survey.defect_counts import DefectCounts
from models_store.survey.positions import FAR_NOISE, FAR_POSITIONS
from models_store.survey.survey import Survey
from models_store.survey.values import Values

_MIN_SATURATED_SHARE = 1e-4
_MOSTLY = 0.5
_FAR_CHANNELS = 10.0
_SHARED = "they share networks and a noise model, so save each as a file of its own and denoise it alone"
_WHY_OTHER_LIGHT = ": mixed exposures, or a lamp or shutter that failed; each plane keeps its brightness"
_LEFT_OUT = "they stay as they are, and nothing is learned from them"


def survey_warnings(survey: Survey, *, blind_y_px: int = 0, blind_x_px: int = 0) -> list[str]:
    """Return warnings about the pixels, and about correlated noise that a structured mask does not hide."""
    told = correlation_warnings(survey.noise_correlation, blind_y_px=blind_y_px, blind_x_px=blind_x_px)
    return pixel_warnings(survey) + told


def correlation_warnings(
    found: NeighbourCorrelation, *, blind_y_px: int = 0, blind_x_px: int = 0
) -> list[str]:
    """Return a warning about correlated noise, or about noise of which that cannot be told."""
    warning = found.warning(blind_y_px=blind_y_px, blind_x_px=blind_x_px)
    told = warning or found.doubt(blind_y_px=blind_y_px, blind_x_px=blind_x_px)
    return [told] if told else []


def pixel_warnings(survey: Survey) -> list[str]:
    """Return warnings about the pixels of an image."""
    return [
        *_defect_warnings(survey.defects),
        *(_value_warnings(survey.values) if survey.values else []),
        *(_brightness_warnings(survey.brightness) if survey.brightness else []),
        *_jump_warnings(survey),
    ]


def warnings_of_images(warnings: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Join the warnings about several images, given with their names; each names its image."""
    if len(warnings) == 1:
        return list(warnings[0][1])
    return [f"{name}: {text}" for name, texts in warnings for text in texts]


def _defect_warnings(counts: DefectCounts) -> list[str]:
    found = []
    if counts.empty_planes:
        one = counts.empty_planes == 1
        left_out = "it stays as it is, and nothing is learned from it" if one else _LEFT_OUT
        empty = _planes(counts.empty_planes, counts.planes, "is", "are")
        found.append(f"{empty} empty (one value, or none); {left_out}")
    if counts.not_finite_px:
        found.append(f"{_share(counts.not_finite_px, counts.pixels)} are NaN or infinite; {_LEFT_OUT}")
    if counts.filled_px:
        found.append(_filled_warning(counts))
    if counts.counter_px:
        found.append(
            f"{_share(counts.counter_px, counts.pixels)} are numbers, such as a counter or a time stamp, "
            f"that the camera wrote over the start of a row; {_LEFT_OUT}"
        )
    if counts.written_px:
        several = len(counts.written_values_adu) > 1
        values = ", ".join(f"{value:g}" for value in counts.written_values_adu)
        found.append(
            f"{_share(counts.written_px, counts.pixels)} are scattered and have the value"
            f"{'s' if several else ''} {values}, more than noise explains: a camera or a program overwrote "
            "them; nothing is learned from them, and the result has estimates from their neighbours instead "
            "(keep_hot_pixels leaves them as they are)"
        )
    if counts.cut_off_px and counts.threshold_adu is not None:
        found.append(
            f"values below {counts.threshold_adu:g} were replaced by {counts.lowest_adu:g}, in "
            f"{_share(counts.cut_off_px, counts.pixels)}, so dim parts are wrong on average; save the image "
            "without a threshold"
        )
    elif counts.cut_off_px:
        found.append(
            f"values are cut off at {counts.lowest_adu:g}: {_share(counts.cut_off_px, counts.pixels)} have "
            "this value in place of lower ones, so dim parts are too bright on average; record with a higher "
            "offset (black level), or save without subtracting a background"
        )
    if counts.outliers_px > counts.written_px:
        outliers_px = counts.outliers_px - counts.written_px
        found.append(
            f"{_share(outliers_px, counts.pixels)} are hot or dead, or hit by cosmic rays; nothing is "
            "learned from them, and the result has estimates from their neighbours instead (keep_hot_pixels "
            "leaves them as they are)"
        )
    return found


def _filled_warning(counts: DefectCounts) -> str:
    values = ", ".join(f"{value:g}" for value in counts.fill_values_adu)
    lines = " and ".join(f"{count} whole {kind}s" for count, kind in _missing_lines(counts) if count)
    if counts.line_px >= _MOSTLY * counts.filled_px:
        why = (
            f"{lines} between others with data have the value {values}, as where one of two fields or of two "
            "directions of a scan was not recorded"
        )
    elif values:
        why = f"areas, text, scale bars or scattered pixels of the value {values}"
    else:
        why = "they are surrounded by pixels without data"
    return f"{_share(counts.filled_px, counts.pixels)} hold no data: {why}; {_LEFT_OUT}"


def _missing_lines(counts: DefectCounts) -> list[tuple[int, str]]:
    return [(counts.missing_rows, "row"), (counts.missing_columns, "column")]


def _value_warnings(values: Values) -> list[str]:
    found = []
    if values.saturation_adu is not None and values.saturated_px > _MIN_SATURATED_SHARE * values.pixels:
        found.append(
            f"{_share(values.saturated_px, values.pixels)} are saturated (at {values.saturation_adu:g}), so "
            "their signal is unknown; record with less light or a shorter exposure"
        )
    if values.swapped_bytes:
        found.append(
            "the two bytes of each pixel look swapped (big-endian numbers read as little-endian ones, or the "
            "other way round), so what is seen is not the image; save it again from its source"
        )
    if values.few_levels is not None:
        found.append(
            f"the pixels have only {values.few_levels} different values, too few to tell noise from "
            "signal; save the image in the detector's own bit depth, without rescaling"
        )
    return found


def _brightness_warnings(brightness: Brightness) -> list[str]:
    found = []
    if brightness.far_planes:
        found.append(_exposure_warning(brightness))
    if brightness.copied_planes:
        found.append(
            f"{_planes(brightness.copied_planes, brightness.planes, 'is an exact copy', 'are exact copies')} "
            f"of an earlier one (first: plane {brightness.first_copied[0] + 1}): the camera or a program "
            "repeated frames; leave them out of what you measure over planes"
        )
    if brightness.torn_rows is not None:
        first, end = brightness.torn_rows
        planes = _planes(brightness.torn_planes, brightness.planes, "repeats rows", "repeat rows")
        found.append(
            f"{planes} of an earlier one pixel by pixel (first: plane {brightness.first_torn[0] + 1}, rows "
            f"{first + 1} to {end}): the frame is torn, with a part of another; leave it out of what you "
            "measure"
        )
    darkest, brightest = brightness.darkest_position or 1.0, brightness.brightest_position or 1.0
    if darkest < 1 / FAR_POSITIONS or brightest > FAR_POSITIONS:
        found.append(
            f"positions differ in brightness: the darkest has {_two_digits(darkest)} times, the brightest "
            f"{_two_digits(brightest)} times the light of most; {_SHARED}"
        )
    ratio = brightness.position_noise_ratio
    if ratio is not None and ratio > FAR_NOISE:
        found.append(
            f"positions differ in their noise: its variance at equal signals by a factor of "
            f"{_two_digits(ratio)}, as with another gain or camera mode; {_SHARED}"
        )
    ratio = brightness.plane_noise_ratio
    if ratio is not None and ratio > FAR_NOISE:
        found.append(
            f"planes differ in their noise: its variance at equal signals by a factor of "
            f"{_two_digits(ratio)}, as if gain or camera mode had changed; {_SHARED}"
        )
    return found


def other_light(brightness: Brightness) -> str | None:
    """Return a clause about planes of other light than those beside them; None without any."""
    if not brightness.far_planes:
        return None
    return _exposure_warning(brightness).removesuffix(_WHY_OTHER_LIGHT)


def _exposure_warning(brightness: Brightness) -> str:
    planes = _planes(brightness.far_planes, brightness.planes, "has", "have")
    levels = brightness.far_levels
    if len(levels) == 1:
        return (
            f"{planes} {_level(levels[0])} times the light of those beside them "
            f"({_first(levels[0])}){_WHY_OTHER_LIGHT}"
        )
    each = ", ".join(
        f"{level.planes} {'has' if level.planes == 1 else 'have'} {_level(level)} times as much "
        f"({_first(level)})"
        for level in levels
    )
    return f"{planes} other light than those beside them: {each}{_WHY_OTHER_LIGHT}"


def _level(level: ExposureLevel) -> str:
    bound = f"at {'least' if level.factor > 1 else 'most'} " if level.is_bound else ""
    return bound + _two_digits(level.factor)


def _first(level: ExposureLevel) -> str:
    numbers = ", ".join(str(plane + 1) for plane in level.first)
    more = ", ..." if level.planes > len(level.first) else ""
    return f"plane{'s' if level.planes > 1 else ''} {numbers}{more}"


def _jump_warnings(survey: Survey) -> list[str]:
    """Return a warning about torn planes, unless it is known which rows of which plane they repeat."""
    jumps = survey.jumps
    if jumps is None or (survey.brightness is not None and survey.brightness.torn_planes):
        return []
    planes = _planes(jumps.planes, survey.defects.planes, "is", "are")
    with_data = survey.defects.planes - survey.defects.empty_planes
    learned = "; networks and noise models are made of the others" if with_data >= 2 * jumps.planes else ""
    return [
        (
            f"{planes} torn: between rows {jumps.first_row} and {jumps.first_row + 1} of plane "
            f"{jumps.first_plane + 1} the picture jumps over the whole width, as where a part of another "
            f"frame, or a shifted one, begins; leave it out of what you measure, or record it again{learned}"
        )
    ]


def channel_warnings(survey: Survey) -> list[str]:
    """Return warnings if channels of an image have the same pixels, or noise that differs much."""
    copied = [
        f"channel {channel + 1} is an exact copy of channel {earlier + 1}: one picture was saved twice, and "
        "the other one is not in the file"
        for channel, earlier in survey.copied_channels
    ]
    return copied + _noise_of_channels(survey.channels)


def _noise_of_channels(channels: Sequence[Survey]) -> list[str]:
    noise_adu = {
        number: median(channel.noise.variance_adu2) ** 0.5
        for number, channel in enumerate(channels, start=1)
        if channel.noise.variance_adu2
    }
    if not noise_adu:
        return []
    quiet, noisy = (choose(noise_adu, key=noise_adu.__getitem__) for choose in (min, max))
    if noise_adu[noisy] <= _FAR_CHANNELS * noise_adu[quiet]:
        return []
    return [
        (
            f"channels differ: the noise of channel {noisy} is {noise_adu[noisy]:.3g} ADU, that of channel "
            f"{quiet} {noise_adu[quiet]:.3g} ADU; each is denoised with networks and a noise model of its own"
        )
    ]


def _share(count: int, pixels: int) -> str:
    return f"{count} of {pixels} pixels ({_two_digits(100 * count / max(pixels, 1))} %)"


def _planes(count: int, planes: int, is_one: str, are_several: str) -> str:
    return f"{count} of {planes} planes looked at {is_one if count == 1 else are_several}"


def _two_digits(value: float) -> str:
    """Return a rounded number without an exponent below a million."""
    return f"{float(f'{value:.2g}'):g}"
