"""Choice of a stored noise model for images: of their profile, else of the nearest one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.noise_model_fit import NoiseModelFit
from models_store.contracts.vocabulary import Reuse
from models_store.database.tables import NoiseModelRow, Profile
from models_store.job_requests.detector_levels import DetectorLevels
from models_store.job_requests.nearest_profile import ProfileDifference, difference
from models_store.job_requests.noise_model_gate import fit_of
from models_store.job_requests.registered_models import DELIBERATE_ORIGINS, REUSED_ORIGINS
from models_store.repositories.noise_model_history import (
    active_noise_model,
    latest_change,
    retired_among,
)
from models_store.repositories.noise_models import profiles_with_noise_models
from models_store.repositories.profiles import default_profile_of, settings_of_channel, settings_of_profile
from models_store.survey.survey import Survey


@dataclass(frozen=True)
class NoiseModelChoice:
    noise_model: NoiseModelRow | None = None
    profile: Profile | None = None
    """Profile that the noise model is for, if it is another one, or is for all channels."""
    fit: NoiseModelFit | None = None
    """How well it, or the one that was passed over, explains the images; None if that is not known."""
    warning: str | None = None
    """What to know of the noise model that was chosen."""
    passed_over: str | None = None
    """Why no noise model was chosen that could have been expected."""


def choose_noise_model(
    session: Session,
    spec: DenoiseSpec,
    profile: Profile,
    survey: Survey | None,
    label: str | None,
    levels: Sequence[DetectorLevels] = (),
) -> NoiseModelChoice:
    """Choose the noise model of a profile, or of one of its channels, for images with this survey.

    The nearest profile is of the same microscope, camera and readout mode. Nothing bootstrapped is taken of
    it, and of the microscope's default profile only what was calibrated or imported.
    """
    return _Chooser(session, spec, profile, survey, label, levels).choose()


def profile_name(profile: Profile | None) -> str | None:
    return f"{profile.microscope.name} / {profile.name}" if profile else None


@dataclass(frozen=True)
class _Nearest:
    noise_model: NoiseModelRow
    profile: Profile
    difference: ProfileDifference


@dataclass(frozen=True)
class _Chooser:
    session: Session
    spec: DenoiseSpec
    profile: Profile
    survey: Survey | None
    label: str | None
    levels: Sequence[DetectorLevels]
    """Of the images; a noise model of another profile is not held against them: the difference is told."""

    @property
    def at(self) -> datetime | None:
        return self.spec.noise_model_at

    def choose(self) -> NoiseModelChoice:
        own = active_noise_model(self.session, self.profile.id, self.at, channel=self.label)
        if own is not None and (own.origin in REUSED_ORIGINS or self._may_reuse_bootstrapped):
            return self._chosen(own)
        if self.label is not None and (shared := self._deliberate_one_of(self.profile)) is not None:
            return self._chosen(shared, self.profile)
        return self._of_others(own)

    def _of_others(self, own: NoiseModelRow | None) -> NoiseModelChoice:
        """Choose a noise model of another profile, or else none but the profile's own bootstrapped one."""
        missing = self._why_none_at_that_time() if own is None else None
        nearest = self._nearest()
        of_microscope = self._of_microscope()
        if nearest is not None and self._is_taken(nearest, other_than=of_microscope):
            return self._chosen(nearest.noise_model, nearest.profile, missing, self._told(nearest))
        if of_microscope is not None:
            return self._chosen(of_microscope, of_microscope.profile, missing)
        if nearest is None:
            return NoiseModelChoice(own, fit=fit_of(own, self.survey, self.levels), passed_over=missing)
        return NoiseModelChoice(own, fit=self._fit(nearest), passed_over=self._why_passed_over(nearest))

    @property
    def _may_reuse_bootstrapped(self) -> bool:
        return self.at is not None or self.spec.reuse in {Reuse.NOISE_MODEL, Reuse.NETWORK}

    def _chosen(
        self, noise_model: NoiseModelRow, of: Profile | None = None, *warnings: str | None
    ) -> NoiseModelChoice:
        told = [*filter(None, warnings), *self._retired_since(noise_model)]
        levels = self.levels if noise_model.profile_id == self.profile.id else ()
        fit = fit_of(noise_model, self.survey, levels)
        return NoiseModelChoice(noise_model, of, fit, warning="; ".join(told) or None)

    def _deliberate_one_of(self, profile: Profile) -> NoiseModelRow | None:
        """Return the active noise model of a whole profile if it was calibrated or imported for it.

        Others are of images with one channel, which may be any.
        """
        found = active_noise_model(self.session, profile.id, self.at)
        return found if found is not None and found.origin in DELIBERATE_ORIGINS else None

    def _reusable_one_of(self, profile: Profile) -> NoiseModelRow | None:
        """Return another profile's active noise model; a pooled one is of its own channel alone."""
        own = active_noise_model(self.session, profile.id, self.at, channel=self.label)
        if own is not None and own.origin in REUSED_ORIGINS:
            return own
        return self._deliberate_one_of(profile)

    def _of_microscope(self) -> NoiseModelRow | None:
        """Return what was calibrated or imported for a microscope without saying for which settings.

        It serves the profiles that were made for files, as it did before files told their settings.
        """
        if self.profile.file_settings is None:
            return None
        default = default_profile_of(self.session, self.profile.microscope)
        return self._deliberate_one_of(default) if default is not None else None

    def _nearest(self) -> _Nearest | None:
        own = settings_of_channel(self.profile, self.label)
        if own.detector is None:
            return None
        others = profiles_with_noise_models(self.session, self.profile, own.detector, REUSED_ORIGINS)
        wanted = own.canonical()
        differing = [
            (differs, other)
            for other in others
            if (differs := difference(wanted, settings_of_profile(other).canonical())) is not None
        ]
        for differs, other in sorted(differing, key=lambda each: each[0].distance):
            if (found := self._reusable_one_of(other)) is not None:
                return _Nearest(found, other, differs)
        return None

    def _fit(self, nearest: _Nearest) -> NoiseModelFit | None:
        return fit_of(nearest.noise_model, self.survey)

    def _is_taken(self, nearest: _Nearest, *, other_than: NoiseModelRow | None) -> bool:
        """Return whether a nearest one is taken, of another gain only if it explains the images.

        What the microscope has for all settings is better than one of another gain.
        """
        fit = self._fit(nearest)
        if not nearest.difference.is_risky:
            return fit is None or fit.verdict != "refuse"
        explains = fit is not None and fit.verdict == "ok" and fit.variance_ratio is not None
        return explains and other_than is None

    def _told(self, nearest: _Nearest) -> str:
        return (
            f"{profile_name(self.profile)} has no noise model of its own; that of "
            f"{profile_name(nearest.profile)} was taken, {nearest.difference.told}"
        )

    def _why_passed_over(self, nearest: _Nearest) -> str:
        fit = self._fit(nearest)
        if fit is None or fit.variance_ratio is None:
            why = "the images do not show whether it holds for them all the same"
        else:
            why = fit.told or "it is not certain to hold for them all the same"
        return (
            f"{profile_name(self.profile)} has no noise model of its own, and that of "
            f"{profile_name(nearest.profile)}, {nearest.difference.told}, was not taken: {why}"
        )

    def _why_none_at_that_time(self) -> str | None:
        if self.at is None:
            return None
        change = latest_change(self.session, self.profile.id, self.at, channel=self.label)
        at = self.at.isoformat()
        if change is not None and change.active_id is not None:
            return f"the noise model {change.active_id}, which was active at {at}, has been deleted"
        return f"no noise model of {profile_name(self.profile)} was active at {at}"

    def _retired_since(self, noise_model: NoiseModelRow) -> list[str]:
        retired = retired_among(self.session, [noise_model.id]).get(noise_model.id) if self.at else None
        if retired is None:
            return []
        why = f": {retired.reason}" if retired.reason else ""
        when = retired.activated_at.isoformat()
        return [f"the noise model {noise_model.id}, which was active then, has been retired at {when}{why}"]
