"""Rules of jobs that pool the pixel pairs of many images."""

from sqlalchemy.orm import Session

from models_store.contracts.noise_model_specs import PoolNoiseModelSpec
from models_store.database.tables import Profile
from models_store.errors import FieldError
from models_store.repositories.microscopes import find_microscope, find_profile
from models_store.repositories.pixel_pairs import pairs_to_pool
from models_store.repositories.profiles import default_profile_of

MIN_IMAGES = 4
"""Images from which a pooled noise model is better than one bootstrapped from any single image."""


def require_pairs_to_pool(session: Session, spec: PoolNoiseModelSpec) -> Profile:
    """Return the profile of a pooling job. Raises NotFoundError, or FieldError without enough pairs."""
    microscope = find_microscope(session, spec.microscope)
    profile = default_profile_of(session, microscope)
    if spec.profile is not None:
        profile = find_profile(session, microscope, spec.profile)
    if profile is None:
        raise FieldError("profile", f"name a profile of {microscope.name}: it has no images without one")
    rows = pairs_to_pool(session, profile.id, spec)
    counted = {image_id for row in rows for image_id in row.image_ids}
    if missing := [image_id for image_id in spec.image_ids or () if image_id not in counted]:
        raise FieldError(
            "image_ids",
            f"no pixel pairs of {missing[0]} are kept for {profile.name} of {microscope.name}"
            f"{_of_channel(spec)}; denoise it without naming a noise model, then its pairs are counted",
        )
    require_enough_images(len(counted), f"{profile.name} of {microscope.name}{_of_channel(spec)}")
    return profile


def require_enough_images(images: int, of: str) -> None:
    """Raise FieldError if the pairs are of too few images; `of` tells of what they are."""
    if images < MIN_IMAGES:
        raise FieldError(
            "image_ids",
            f"pooling needs pixel pairs of at least {MIN_IMAGES} images, and those of {images} are kept for "
            f"{of}; every job that bootstraps a noise model counts those of its images",
        )


def _of_channel(spec: PoolNoiseModelSpec) -> str:
    return f", channel {spec.channel}" if spec.channel is not None else ""
