"""Lit and dark scenes of a calibration, measured for the figures of their camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from models_store.contracts.camera_figures import CameraFigures
from worker.attempt.context import JobContext
from worker.attempt.progress import READING_FRAMES, part_of, planes_done
from worker.engine.noise.measuring.photon_transfer import PhotonTransfer
from worker.engine.stages.calibrate import count_calibration
from worker.jobs.inputs import OpenImage, survey_of
from worker.judging.calibration_scenes import scenes_of
from worker.judging.camera_figures import camera_figures
from worker.judging.image_facts import facts_of
from worker.judging.scene_figures import SceneFigures, scene_figures


@dataclass(frozen=True)
class MeasuredScenes:
    """Collects scenes while their frames are read; `exposures_s`: by the names of lit scenes, if known."""

    exposures_s: Mapping[str, float] = field(default_factory=dict)
    lit: list[SceneFigures] = field(default_factory=list)
    dark: list[SceneFigures] = field(default_factory=list)

    def add_lit(self, name: str, transfer: PhotonTransfer) -> None:
        if (found := scene_figures(transfer)) is not None:
            self.lit.append(replace(found, exposure_s=self.exposures_s.get(name)))

    def read_dark(self, context: JobContext, images: Sequence[OpenImage]) -> list[str]:
        """Read the dark frames, if there are any; return a warning about copies of frames.

        Raises CalibrationUnsuitableError.
        """
        if not images:
            return []
        report = planes_done(part_of(context.report, READING_FRAMES, 1), "dark frame")
        scenes = scenes_of([(each.title, each.reader) for each in images])
        _, checks = count_calibration(
            scenes, facts_of(survey_of(context, images)), on_frame=report, on_scene=self._add_dark
        )
        return [f"{name}: {check.copies}" for name, check in checks.items() if check.copies]

    def figures(self, *, rounding_adu2: float, known: CameraFigures | None = None) -> CameraFigures:
        return camera_figures(self.lit, self.dark, rounding_adu2=rounding_adu2, known=known)

    def _add_dark(self, _: str, transfer: PhotonTransfer) -> None:
        self.dark.extend(filter(None, [scene_figures(transfer, dark=True)]))
