"""Which stored noise model a denoise job uses, or why none."""

from dataclasses import dataclass

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.noise_model_fit import NoiseModelFit
from models_store.contracts.vocabulary import Reuse
from models_store.job_requests.registered_models import REUSED_ORIGINS, KnownModels


@dataclass(frozen=True)
class StoredNoiseModel:
    """The choice among the noise model that a job names for its planes, the active one, and none."""

    spec: DenoiseSpec
    known: KnownModels
    named: str | None

    @property
    def chosen(self) -> tuple[str, str] | None:
        """The noise model that the job uses, and the reason; None if it bootstraps one."""
        if self.named is not None:
            return self.named, "named in the job"
        active, at = self.active, self.spec.noise_model_at
        if active is None or self._is_refused or (at is None and not self._may_be_reused):
            return None
        why = (
            f"the {REUSED_ORIGINS.get(self.known.noise_model_origin, 'active')} noise model of {self.profile}"
        )
        return active, why if at is None else f"{why}, active at {at.isoformat()}"

    @property
    def active(self) -> str | None:
        """The active noise model if it is of the kind that the job asks for."""
        fits = self.spec.noise_model_kind in {None, self.known.noise_model_kind}
        return self.known.noise_model_id if fits else None

    @property
    def profile(self) -> str | None:
        """Name of the profile that the active noise model is for."""
        return self.known.noise_model_profile or self.known.profile

    @property
    def fit(self) -> NoiseModelFit | None:
        """How well the noise model explains the images that is used, or that is not used for that reason."""
        known = self.known
        if self.named is not None:
            return known.named_noise_model_fit
        tells = self.chosen is not None or self._is_refused or known.passed_over is not None
        return known.noise_model_fit if tells else None

    @property
    def warning(self) -> str | None:
        """What to know of the noise model that is used, or why one that could be expected is not."""
        if self.named is not None:
            return None
        if self.chosen is not None:
            return self.known.noise_model_warning
        return self.known.passed_over if self.spec.reuse is not Reuse.NONE else None

    @property
    def why_none(self) -> str:
        """Why a noise model is bootstrapped."""
        known = self.known
        if self.spec.reuse is Reuse.NONE:
            return "bootstrapped from the images: the job reuses nothing"
        if known.profile is None:
            return "bootstrapped: the images belong to no microscope, so there is nothing to reuse"
        if known.passed_over is not None or known.noise_model_id is None:
            return f"bootstrapped: {known.passed_over or f'{known.profile} has no noise model yet'}"
        if self._is_refused and known.noise_model_fit is not None:
            return f"bootstrapped: {known.noise_model_fit.told}"
        if self.active is not None:
            return (
                f"bootstrapped: {known.profile} has no calibrated or pooled noise model, and the job reuses "
                "none that was bootstrapped from other images"
            )
        return (
            f"bootstrapped: the active noise model of {known.profile} is of kind {known.noise_model_kind}, "
            f"the job asks for {self.spec.noise_model_kind}"
        )

    @property
    def _may_be_reused(self) -> bool:
        """True if the job reuses noise models of the active one's origin."""
        if self.spec.reuse is Reuse.CALIBRATION:
            return self.known.noise_model_origin in REUSED_ORIGINS
        return self.spec.reuse is not Reuse.NONE

    @property
    def _is_refused(self) -> bool:
        """True if the active noise model does not explain the images, and the job does not force it."""
        fit = self.known.noise_model_fit
        return fit is not None and fit.verdict == "refuse" and not self.spec.force
