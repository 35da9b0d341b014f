"""The objective that recorded an image, if it is one for all channels."""

from typing import NamedTuple

from models_store.image_files.header import ImageHeader


class Objective(NamedTuple):
    """What a file tells of an objective and its immersion; None for what it does not tell."""

    model: str | None
    magnification: float | None
    numerical_aperture: float | None
    immersion: str | None
    refractive_index: float | None


def objective_of(header: ImageHeader) -> Objective | None:
    """Return the objective of an image; None if the file tells none, or channels had several."""
    models = {each.objective for each in header.acquisition} or {None}
    lenses = {
        (each.magnification, each.numerical_aperture, each.immersion, each.refractive_index)
        for each in header.optics
    } or {(None, None, None, None)}
    if len(models) > 1 or len(lenses) > 1:
        return None
    found = Objective(models.pop(), *lenses.pop())
    return found if any(value is not None for value in found) else None
