"""Check of calibration frames: one static scene, unsaturated, with independent noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.noise.measuring.scene import SceneAverage
from worker.engine.noise.measuring.scene_trend import SceneTrend, slopes_yx

MAX_BRIGHTNESS_CHANGE = 0.02
MAX_DRIFT_PX = 0.25
MAX_CORRELATION = 0.1
MAX_CHANGE = 0.02
"""Fraction of the variance that may be due to changes of the scene instead of noise."""

UNUSABLE_CHANGE = 0.2
"""Above this the noise model's variance is a quarter too large, which `check` rates as poor."""

MAX_SATURATED = 0.01
UNUSABLE_SATURATED = 0.5
MIN_RELIABLE_FRAMES = 5
_MAX_NAMED = 10
_ROUNDING = 1e-24  # rounding error relative to the squares of the values


@dataclass(frozen=True)
class CalibrationCheck:
    """Result of checking the frames of a scene; `warnings` say what is wrong and how to fix it.

    Three fractions of the variance are not noise: `flicker` from brightness fluctuations between frames,
    `motion` from movement of the scene, and `excess_correlation`, the rest that consecutive frames share. All
    are 0 for a static scene. `noisy`: whether there is any variance. `neighbour_correlation` is that of the
    noise of adjacent pixels along y and x. `saturated` and `clipped` are the fractions of pixel values at the
    detector's upper and lower limit. The signals span `signal_min_adu` .. `signal_max_adu`. `empty_frames`
    have one value only, `copied_frames` the pixels of an earlier frame, so that they do not count among
    `frames`; both are numbered from 1.
    """

    frames: int
    empty_frames: tuple[int, ...]
    copied_frames: tuple[int, ...]
    trend: SceneTrend
    excess_correlation: float
    flicker: float
    motion: float
    neighbour_correlation: tuple[float, float]
    saturated: float
    clipped: float
    noisy: bool
    signal_min_adu: float
    signal_max_adu: float

    @property
    def unusable(self) -> str | None:
        """Reason why no noise model can be fitted, or None."""
        if self.empty_frames:
            empty = self._listed(self.empty_frames, "is", "are")
            return f"{empty} empty, of one value (closed shutter, dropped frame): leave out empty frames"
        if self.saturated > UNUSABLE_SATURATED:
            return f"{self.saturated:.0%} of the pixels are saturated: use less light or exposure"
        if not self.noisy:
            return (
                "no pixel within the detector's range changes from frame to frame: record separate frames, "
                "not copies or a mean, above the detector's lowest value"
            )
        change = self.flicker + self.motion + max(self.excess_correlation, 0.0)
        if change > UNUSABLE_CHANGE:
            reasons = "; ".join(self._changes())
            return f"{change:.0%} of the variance is not noise, because the scene is not static: {reasons}"
        return None

    @property
    def copies(self) -> str | None:
        """Warning about copies of frames, or None."""
        if not self.copied_frames:
            return None
        copied = self._listed(self.copied_frames, "is an exact copy", "are exact copies")
        return (
            f"{copied} of an earlier one: the camera or a program repeated frames; each different frame "
            "counts once"
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        found = self._changes()
        if self.copies:
            found.append(self.copies)
        if self.frames < MIN_RELIABLE_FRAMES:
            found.append(f"{self.frames} frames are too few for a reliable noise model: take 20 or more")
        if self.saturated > MAX_SATURATED:
            found.append(f"{self.saturated:.1%} of the pixels are saturated: use less light or exposure")
        if self.clipped > MAX_SATURATED:
            found.append(
                f"{self.clipped:.1%} of the pixels are clipped at the detector's lowest value, which hides "
                "their noise: raise its offset, or, if 0 is a true count of photons, save frames and images "
                "as float32"
            )
        strongest = max(self.neighbour_correlation, key=abs)
        if abs(strongest) > MAX_CORRELATION:
            axis = "yx"[self.neighbour_correlation.index(strongest)]
            found.append(
                f"the noise of neighbouring pixels correlates along {axis} ({strongest:+.2f}), which noise "
                f"models do not describe: train with a structured mask along {axis}"
            )
        return tuple(found)

    def _listed(self, numbers: tuple[int, ...], is_one: str, are_several: str) -> str:
        several = len(numbers) > 1
        listed = ", ".join(map(str, numbers[:_MAX_NAMED]))
        more = f" and {len(numbers) - _MAX_NAMED} more" if len(numbers) > _MAX_NAMED else ""
        return (
            f"frame{'s' if several else ''} {listed}{more} of {self.frames + len(self.copied_frames)} "
            f"{are_several if several else is_one}"
        )

    def _changes(self) -> list[str]:
        found = []
        if self.trend.brightness_changes(MAX_BRIGHTNESS_CHANGE):
            found.append(
                f"the brightness changes by {self.trend.brightness_change:+.1%} from first to last frames "
                "(bleaching, lamp): use a reference that does not bleach, or less light"
            )
        if self.trend.moves(MAX_DRIFT_PX):
            y, x = self.trend.drift_px
            found.append(f"the scene moves by {y:+.2f}, {x:+.2f} px (y, x): let stage and sample settle")
        if self.flicker > MAX_CHANGE:
            found.append(
                f"the brightness flickers, which causes {self.flicker:.1%} of the variance: let the lamp "
                "settle"
            )
        if self.motion > MAX_CHANGE:
            found.append(
                f"frames are shifted against each other, which causes {self.motion:.1%} of the variance: let "
                "stage and sample settle"
            )
        if self.excess_correlation > MAX_CHANGE:
            found.append(
                f"consecutive frames share {self.excess_correlation:.1%} of the variance: the scene changes "
                "while it is recorded"
            )
        return found


class SceneResiduals:
    """Residuals of frames from their mean, accumulated frame by frame in the order of recording."""

    def __init__(self, scene: SceneAverage) -> None:
        self._scene = scene
        mean_adu = scene.mean_yx[scene.usable_yx]
        low, high = np.percentile(mean_adu, (0.5, 99.5)) if mean_adu.size else (0.0, 0.0)
        self._signal_min_adu, self._signal_max_adu = float(low), float(high)
        self._modes = _orthonormal([np.where(scene.usable_yx, scene.mean_yx - low, 0.0), *slopes_yx(scene)])
        self._before_yx = np.zeros(scene.mean_yx.shape)
        self._of_modes = np.zeros(len(self._modes))
        self._energy = self._consecutive = 0.0
        self._neighbours = np.zeros(2)

    @property
    def latest_yx(self) -> NDArray[np.float64]:
        """Residual of the latest frame, without the modes; 0 where pixels are not usable."""
        return self._before_yx

    def add(self, frame: NDArray[Any]) -> None:
        """Add the next frame: subtract the mean, then project out the modes of brightness and motion."""
        residual_yx = np.where(self._scene.usable_yx, frame - self._scene.mean_yx, 0.0)
        for number, mode_yx in enumerate(self._modes):
            share = float((mode_yx * residual_yx).sum())
            residual_yx -= share * mode_yx
            self._of_modes[number] += share**2
        self._energy += float((residual_yx**2).sum())
        self._consecutive += float((self._before_yx * residual_yx).sum())
        along_y = (residual_yx[1:] * residual_yx[:-1]).sum()
        along_x = (residual_yx[:, 1:] * residual_yx[:, :-1]).sum()
        self._neighbours += (along_y, along_x)
        self._before_yx = residual_yx

    def check(self) -> CalibrationCheck:
        """Return the check of all frames added, which must be all frames of the scene that count."""
        frames = self._scene.frames
        total = self._energy + float(self._of_modes.sum())
        noisy = total > _ROUNDING * float((self._scene.mean_yx[self._scene.usable_yx] ** 2).sum())
        energy = self._energy if noisy else 0.0
        total, divisor = (total, max(energy, 1e-30)) if noisy else (1.0, 1.0)
        brightness, *movements = self._of_modes / total
        # Subtracting the common mean alone makes consecutive residuals correlate by -1 / (m - 1).
        common = self._consecutive * frames / (frames - 1) + energy / (frames - 1)
        along_y, along_x = self._neighbours / divisor
        return CalibrationCheck(
            frames=frames,
            empty_frames=self._scene.empty_frames,
            copied_frames=self._scene.copied_frames,
            trend=SceneTrend.of(self._scene),
            excess_correlation=common / total,
            flicker=float(brightness),
            motion=float(sum(movements)),
            neighbour_correlation=(float(along_y), float(along_x)),
            saturated=self._scene.saturated,
            clipped=self._scene.clipped,
            noisy=noisy,
            signal_min_adu=self._signal_min_adu,
            signal_max_adu=self._signal_max_adu,
        )


def _orthonormal(images: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Orthonormalise images (Gram-Schmidt)."""
    made: list[NDArray[np.float64]] = []
    for image_yx in images:
        rest_yx = image_yx
        for mode_yx in made:
            rest_yx = rest_yx - float((mode_yx * rest_yx).sum()) * mode_yx
        made.append(rest_yx / max(float(np.linalg.norm(rest_yx)), 1e-30))
    return made
