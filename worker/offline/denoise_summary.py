"""Summary of a denoised file, for people and as a JSON record."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models_store.contracts.noise_models import describe_noise_model
from models_store.image_files.channels import channel_name, channel_title
from models_store.image_files.header import ImageHeader
from models_store.survey.correlation import NeighbourCorrelation


@dataclass(frozen=True)
class ChannelSummary:
    """The chosen estimate of a channel, or of a whole image, with the reason; the noise model."""

    channel: int | None
    """None: the image has a single channel."""
    estimate: str
    reason: str
    estimated_mse_adu2: Mapping[str, float]
    noise_model: dict[str, Any]
    """Its parameters; a histogram's probabilities are omitted, because they are saved in a separate file."""
    noise_model_origin: str
    noise_correlation: NeighbourCorrelation

    def lines(self) -> Iterator[tuple[str, str]]:
        yield "estimate", f"{self.estimate}: {self.reason}"
        yield "noise model", f"{self.noise_model_origin}, {describe_noise_model(self.noise_model)}"

    def record(self) -> dict[str, Any]:
        return {
            "estimate": self.estimate,
            "reason": self.reason,
            "estimated_mse_adu2": dict(self.estimated_mse_adu2),
            "noise_model": self.noise_model,
            "noise_model_origin": self.noise_model_origin,
            "noise_correlation": asdict(self.noise_correlation),
        }


@dataclass(frozen=True)
class DenoiseSummary:
    """Summary of a denoising of images that share networks: for each channel (at least one); times."""

    images: tuple[ImageHeader, ...]
    """At least one; several are series of one file."""
    channels: tuple[ChannelSummary, ...]
    seconds: Mapping[str, float]
    removed_noise: Mapping[str, Any]
    """Figures of what was removed, compared with the noise model, and the worst planes."""
    trust: Mapping[str, Any]
    """The trust report: verdict and sentence, and the figures behind them."""
    warnings: tuple[str, ...] = ()
    written: tuple[Path, ...] = ()

    def lines(self) -> list[tuple[str, str]]:
        """Return the human-readable summary as (title, text) pairs."""
        stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in self.seconds.items())
        return [
            ("trust", self.trust["sentence"]),
            *(("image", self._described(image)) for image in self.images),
            *(line for each in self.channels for line in self._lines_of(each)),
            ("time", f"{stages}, together {sum(self.seconds.values()):.0f} s"),
            *(("written", str(path)) for path in self.written),
        ]

    @property
    def image(self) -> ImageHeader:
        """The first image, whose channels all have."""
        return self.images[0]

    def _described(self, image: ImageHeader) -> str:
        size = f"{image.axes} {'x'.join(map(str, image.shape))} {image.dtype}"
        return size if image.series is None else f"series {image.series}: {size}"

    def _lines_of(self, summary: ChannelSummary) -> Iterator[tuple[str, str]]:
        if summary.channel is None:
            yield from summary.lines()
            return
        title = channel_title(self.image, summary.channel)
        yield from ((what, f"{title}: {text}") for what, text in summary.lines())

    def record(self) -> dict[str, Any]:
        """Return everything but the paths as JSON values."""
        return {
            "trust": dict(self.trust),
            **self._record_of_images(),
            **self._record_of_channels(),
            "removed_noise": dict(self.removed_noise),
            "warnings": list(self.warnings),
            "seconds": {stage: round(seconds, 2) for stage, seconds in self.seconds.items()},
        }

    def _record_of_images(self) -> dict[str, Any]:
        records = [image.model_dump(mode="json") for image in self.images]
        return {"image": records[0]} if len(records) == 1 else {"images": records}

    def _record_of_channels(self) -> dict[str, Any]:
        named = [
            ({"channel": each.channel, "name": channel_name(self.image, each.channel)}, each.record())
            for each in self.channels
            if each.channel is not None
        ]
        if not named:
            (only,) = self.channels
            return only.record()
        return {"channels": [{**name, **record} for name, record in named]}
