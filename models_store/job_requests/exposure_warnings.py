"""Warning about images of one job whose exposures differ, as far as their files tell them."""

from collections.abc import Iterable

from models_store.image_files.header import ImageHeader
from models_store.job_requests.light_groups import FAR_EXPOSURES


def exposure_warnings(headers: Iterable[ImageHeader], channel: int | None = None) -> list[str]:
    """Return a warning if images that a network is trained on were exposed for very different times.

    `channel`: the only one that is read; None: all.
    """
    exposures_s: dict[int, list[float]] = {}
    for header in headers:
        for number, settings in enumerate(header.acquisition):
            if settings.exposure_s is not None and channel in {None, number}:
                exposures_s.setdefault(number, []).append(settings.exposure_s)
    far = [each for each in exposures_s.values() if max(each) >= FAR_EXPOSURES * min(each)]
    if not far:
        return []
    longest = max(far, key=lambda each: max(each) / min(each))
    times = f"{min(longest):.3g} to {max(longest):.3g} s"
    shared = "those of a job share networks and noise models: the dimmest are denoised less well"
    return [f"the images were exposed for {times}, and {shared}; post a job for each exposure"]
