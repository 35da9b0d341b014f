"""The verdicts on the planes of a job: figures of bounded size, which parts of a job can merge."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from worker.engine.noise.measuring.noise_verdict import Expected, misfits
from worker.engine.noise.measuring.removed_noise import RemovedNoise

REMOVED_NOISE = "removed_noise"
"""Key of the figures in a job's result."""
_WORST_PLANES = 10
_MEANS = ("relative_bias", "removed_adu", "variance", "correlation_y", "correlation_x")


@dataclass
class RemovedNoiseSummary:
    """Totals over planes, and the figures of the worst ones."""

    judged_by: str = ""
    """Where the noise that is expected comes from, and what is judged by it."""
    by_model: bool = False
    """Whether a noise model tells what noise is expected."""
    planes: int = 0
    planes_judged: int = 0
    planes_that_do_not_fit: int = 0
    not_finite_px: int = 0
    """Pixels of the results that are no number, although the image has one."""
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_MEANS, 0.0))
    worst: list[dict[str, Any]] = field(default_factory=list)

    def add(self, image: str, plane: int, found: RemovedNoise | None, expected: Expected) -> None:
        """Add the plane number `plane`, counted from 1; None: it has too few pixels to be judged."""
        self.planes += 1
        if found is None:
            return
        self.planes_judged += 1
        ways = misfits(found, expected)
        self.planes_that_do_not_fit += bool(ways)
        for name in _MEANS:
            self.sums[name] += getattr(found, name)
        self._keep_worst(
            [
                {
                    "image": image,
                    "plane": plane,
                    "severity": round(ways[0].severity, 3) if ways else 0.0,
                    "verdict": ways[0].text if ways else None,
                    "expected_correlation_y": expected.correlation_y,
                    "expected_correlation_x": expected.correlation_x,
                    "relative_bias": found.relative_bias,
                    **_json_values(found),
                }
            ]
        )

    def merge(self, figures: Mapping[str, Any]) -> None:
        """Add the figures of another part of the job, as returned by `figures`."""
        self.judged_by = self.judged_by or figures["judged_by"]
        self.by_model = self.by_model or figures.get("by_model", False)
        self.planes += figures["planes"]
        self.planes_judged += figures["planes_judged"]
        self.planes_that_do_not_fit += figures["planes_that_do_not_fit"]
        self.not_finite_px += figures["not_finite_px"]
        for name in _MEANS:
            self.sums[name] += (figures["means"][name] or 0.0) * figures["planes_judged"]
        self._keep_worst(figures["worst"])

    def figures(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        count = self.planes_judged
        return {
            "judged_by": self.judged_by,
            "by_model": self.by_model,
            "planes": self.planes,
            "planes_judged": count,
            "planes_that_do_not_fit": self.planes_that_do_not_fit,
            "not_finite_px": self.not_finite_px,
            "means": {name: self.sums[name] / count if count else None for name in _MEANS},
            "worst": self.worst,
        }

    def warnings(self) -> list[str]:
        """Return a sentence with figures if any plane does not fit, and one if pixels are no number."""
        lost = f"{self.not_finite_px} pixels of the result are NaN or infinite; those of the image are not"
        return [*self._misfits(), *([lost] if self.not_finite_px else [])]

    def _misfits(self) -> list[str]:
        if not self.planes_that_do_not_fit:
            return []
        worst = self.worst[0]
        where = f"{worst['image']}, plane {worst['plane']}"
        if self.planes_that_do_not_fit == 1:
            return [f"{where}: {worst['verdict']}"]
        share = f"{self.planes_that_do_not_fit} of {self.planes} planes"
        return [f"{share} may be wrong, most of all {where}: {worst['verdict']}"]

    def _keep_worst(self, more: Iterable[Mapping[str, Any]]) -> None:
        ranked = sorted([*self.worst, *map(dict, more)], key=lambda plane: -plane["severity"])
        self.worst = ranked[:_WORST_PLANES]


def _json_values(found: RemovedNoise) -> dict[str, Any]:
    values = asdict(found)
    del values["bins"]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
