"""What the engine is told of images that it fits a noise model to: measured once, by a survey of them."""

from dataclasses import dataclass

from worker.engine.errors import ImageUnsuitableError
from worker.engine.noise.models.histogram import HistogramCounts


@dataclass(frozen=True)
class ImageFacts:
    """Range of the finite values (ADU), the step between them (0: not discrete), and where they saturate.

    `correlated`: the noise of neighbouring pixels correlates.
    """

    min_adu: float
    max_adu: float
    step_adu: float = 0.0
    saturation_adu: float | None = None
    correlated: bool = False

    def empty_histogram(self) -> HistogramCounts:
        """A histogram over these values, of images that will be denoised.

        Raises ImageUnsuitableError if there are less than two of them.
        """
        if not self.min_adu < self.max_adu:
            raise ImageUnsuitableError(
                "the images hold no two different finite values to make a histogram of"
            )
        return HistogramCounts(min_adu=self.min_adu, max_adu=self.max_adu, step_adu=self.step_adu)
