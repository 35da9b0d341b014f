"""Conversion of a survey to the engine's ImageFacts."""

from models_store.survey.survey import Survey
from worker.engine.noise.measuring.facts import ImageFacts


def facts_of(survey: Survey) -> ImageFacts:
    """Return the facts about images that fitting a noise model needs."""
    values = survey.values
    return ImageFacts(
        min_adu=values.min_adu if values else 0.0,
        max_adu=values.max_adu if values else 0.0,
        step_adu=values.step_adu if values else 0.0,
        saturation_adu=survey.saturation_adu,
        correlated=survey.noise_correlation.warning() is not None,
    )
