"""Facts about images that fitting a noise model needs; measured once, by a survey."""

from dataclasses import dataclass

from worker.engine.errors import ImageUnsuitableError
from worker.engine.noise.models.histogram import HistogramCounts


@dataclass(frozen=True)
class ImageFacts:
    """Range of the finite values (ADU), step between them (0: not discrete), and saturation level.

    `correlated`: whether the noise of neighbouring pixels correlates.
    """

    min_adu: float
    max_adu: float
    step_adu: float = 0.0
    saturation_adu: float | None = None
    correlated: bool = False

    def empty_histogram(self) -> HistogramCounts:
        """Return an empty histogram over the range of the images to denoise.

        Raises ImageUnsuitableError if there are fewer than two different values.
        """
        if not self.min_adu < self.max_adu:
            raise ImageUnsuitableError(
                "the images hold no two different finite values; a histogram needs a range of values"
            )
        return HistogramCounts(min_adu=self.min_adu, max_adu=self.max_adu, step_adu=self.step_adu)
