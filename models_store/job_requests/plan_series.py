"""Planning of jobs on several images, those together that can share networks and noise models."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import JobSpec
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import PredictSpec
from models_store.database.tables import Image
from models_store.errors import InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.job_requests.channel_rules import headers_of, require_same_channels
from models_store.job_requests.light_groups import have_own_names, lit_alike
from models_store.job_requests.series_groups import SeriesFacts, recorded_alike
from models_store.survey.survey import stored_survey

MAX_GROUPS = 100
"""Each has networks and stages of its own, as a channel has."""


def images_alike(spec: JobSpec, images: Sequence[Image]) -> list[list[Image]]:
    """Group the images of a job that share networks and noise models.

    These are all, unless the job is for results and each image is one of several in a file, or all are files
    of their own, of names of their own, and a network is trained on them: then those with as much light.
    Raises InvalidRequestError for too many groups of series, if results of two would have one name, and for
    files with different channels.
    """
    if not isinstance(spec, DenoiseSpec | PredictSpec):
        return [list(images)]
    facts = {image.id: _facts(image) for image in images}
    by_id = {image.id: image for image in images}
    if any(image.parent_id is None for image in images):
        if not _is_told_apart_by_light(spec, images):
            return [list(images)]
        require_same_channels(headers_of(images))
        groups = [[by_id[image_id] for image_id in group] for group in lit_alike(facts, spec.channel)]
        return groups if len(groups) <= MAX_GROUPS else [list(images)]
    groups = [[by_id[image_id] for image_id in group] for group in recorded_alike(facts)]
    if len(groups) > MAX_GROUPS:
        raise InvalidRequestError(
            f"image_ids: the images were recorded in {len(groups)} ways (channels, type and size of a pixel, "
            f"noise), and those of each have networks of their own, up to {MAX_GROUPS}; name fewer, as series"
        )
    (filename, series), count = Counter((image.filename, image.series) for image in images).most_common(1)[0]
    if len(groups) > 1 and count > 1:
        raise InvalidRequestError(
            f"image_ids: {count} files are named {filename} and hold a series {series}, and not all of their "
            "images were recorded alike; post one job for each file"
        )
    return groups


def _is_told_apart_by_light(spec: DenoiseSpec | PredictSpec, images: Sequence[Image]) -> bool:
    """Whether images, not all of them series, share networks only if their light is alike.

    What the published recipe trains on is left as it was named. Results of two stages could not be told
    apart if their files had one name.
    """
    return (
        isinstance(spec, DenoiseSpec)
        and spec.preset.distils
        and all(image.parent_id is None for image in images)
        and have_own_names(image.filename for image in images)
    )


def of_group(spec: JobSpec, group: Sequence[Image]) -> JobSpec:
    """Return the job with the images of one group."""
    return spec.model_copy(update={"image_ids": [image.id for image in group]})


def joined(plans: Sequence[Plan], groups: Sequence[Sequence[Image]]) -> Plan:
    """Return one plan with the stages of all groups, which do not depend on each other."""
    if len(plans) == 1:
        return plans[0]
    steps = []
    for plan, group in zip(plans, groups, strict=True):
        series = tuple(image.series for image in group if image.series is not None)
        image_ids = None if series else tuple(image.id for image in group)
        steps += [
            step.model_copy(update={"series": series or None, "image_ids": image_ids}) for step in plan.steps
        ]
    stages = [replace(stage, weight=stage.weight / len(plans)) for plan in plans for stage in plan.stages]
    return Plan(stages, steps)


def _facts(image: Image) -> SeriesFacts:
    return SeriesFacts(ImageHeader.model_validate(image.header), stored_survey(image.survey))
