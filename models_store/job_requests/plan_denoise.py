"""Planning of denoise jobs from the models in the registry; pure functions."""

from collections.abc import Callable
from dataclasses import dataclass, field

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import StageSpec
from models_store.contracts.noise_model_fit import NoiseModelFit
from models_store.contracts.noise_model_specs import BootstrapNoiseModelSpec, RefitNoiseModelSpec
from models_store.contracts.plans import Plan, PlannedStage, PlanStep, StageName
from models_store.contracts.prediction_specs import PredictSpec
from models_store.contracts.spec_parts import (
    PACKAGED,
    PRETRAINED,
    MadeByJob,
    Reference,
    entry_of_channel,
)
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import Method, NoiseModelKind, Reuse
from models_store.job_requests.distillation_rule import why_nothing_is_distilled
from models_store.job_requests.plan_prediction import PredictionExtent, plan_parts, plan_prediction
from models_store.job_requests.prior_rule import names_a_prior, why_nothing_is_adapted
from models_store.job_requests.registered_models import KnownModels
from models_store.job_requests.stored_noise_model import StoredNoiseModel
from models_store.survey.correlation import NeighbourCorrelation

WEIGHTS: dict[StageName, float] = {
    "n2v": 0.14,
    "noise_model": 0.01,
    "pn2v": 0.1,
    "distil": 0.65,
    "predict": 0.08,
}
"""Share of each stage in a job's time."""
REFIT_WEIGHT = 0.02


def plan_denoise(
    spec: DenoiseSpec,
    known: KnownModels,
    extent: PredictionExtent,
    new_job_id: Callable[[], str],
    *,
    correlation: NeighbourCorrelation | None = None,
    channel: int | None = None,
) -> Plan:
    """Plan the stages of a denoise job; each step states its action (compute, reuse, skip) and the reason.

    `correlation`: noise correlation of the images; None if it has not been measured, which leaves the
    decision to distil to the stage itself. `channel`: the channel whose planes are denoised, up to the parts
    that are assembled with those of other channels; None: all planes.
    """
    planner = _Planner(spec, known, extent, new_job_id, why_nothing_is_distilled(spec, correlation), channel)
    if not spec.preset.trains:
        planner.use_pretrained()
        return Plan(planner.stages, planner.steps)
    why_not_adapted = why_nothing_is_adapted(spec, correlation)
    prefers_pn2v = why_not_adapted is not None or not names_a_prior(spec)
    if prefers_pn2v and (pn2v := planner.reusable_pn2v) is not None:
        planner.reuse_networks(pn2v)
    elif why_not_adapted is None:
        planner.adapt_pretrained()
    else:
        planner.train_networks(why_not_adapted)
    return Plan(planner.stages, planner.steps)


@dataclass
class _Planner:
    """Builder of a plan; collects stages and steps in order."""

    spec: DenoiseSpec
    known: KnownModels
    extent: PredictionExtent
    new_job_id: Callable[[], str]
    not_distilled: str | None
    """Reason why no network is distilled; None if one is."""
    channel: int | None
    stages: list[PlannedStage] = field(default_factory=list)
    steps: list[PlanStep] = field(default_factory=list)

    @property
    def stored_noise_model(self) -> StoredNoiseModel:
        return StoredNoiseModel(self.spec, self.known, entry_of_channel(self.spec.noise_model, self.channel))

    @property
    def reusable_pn2v(self) -> str | None:
        """The PN2V network to reuse, if the job reuses networks and names no other noise model."""
        reuses = self.spec.reuse is Reuse.NETWORK and self.stored_noise_model.named is None
        return self.known.pn2v_network_id if reuses else None

    def reuse_networks(self, network_id: str) -> None:
        known, recipe = self.known, self.spec.recipe
        noise_model_id = self.stored_noise_model.active or known.pn2v_noise_model_id
        why_n2v = "its result is compared with PN2V's" if known.n2v_network_id else "no stage needs it"
        why_noise_model = (
            f"the active noise model of {self.stored_noise_model.profile}"
            if noise_model_id == known.noise_model_id
            else "the network was trained with it"
        )
        why_pn2v = f"the newest PN2V network of {known.profile} with the recipe {recipe}"
        self._add_reused("n2v", why_n2v, known.n2v_network_id)
        of_active = known.noise_model_warning if noise_model_id == known.noise_model_id else None
        self._add_reused("noise_model", why_noise_model, noise_model_id, warning=of_active)
        self._add_reused("pn2v", why_pn2v, network_id)
        distilled = self._reuse_distilled()
        self._predict(network_id, noise_model_id, compare_with=known.n2v_network_id, distilled=distilled)

    def use_pretrained(self) -> None:
        """Plan for the network that was trained once, which needs to know the noise of the images alone."""
        network, name = self._pretrained()
        trains_nothing = f"the preset {self.spec.preset} uses {name}"
        self._add_reused("n2v", trains_nothing, None)
        noise_model, _ = self._noise_model(network)
        self._add_reused("pn2v", trains_nothing, None)
        self._add_reused("distil", trains_nothing, None)
        self._predict(network, noise_model, compare_with=None, distilled=None, pretrained=True)

    def adapt_pretrained(self) -> None:
        """Plan for the pretrained network and for one that started from it and learned from images."""
        network, name = self._pretrained()
        takes_its_place = f"{name} takes its place"
        self._add_reused("n2v", takes_its_place, None)
        noise_model, _ = self._noise_model(network)
        self._add_reused("pn2v", takes_its_place, None)
        distilled = self._reuse_adapted() or self._adapt(network, name, noise_model)
        self._predict(network, noise_model, compare_with=None, distilled=distilled, pretrained=True)

    def _adapt(self, network: Reference, name: str, noise_model: Reference) -> Reference:
        self._add_computed("distil", f"{name} learns its own estimates of these images under fresh noise")
        training = self._train(Method.DISTILLED, noise_model=noise_model, start=network, teacher=network)
        stack = {"pretrained_stack": self._pretrained_stack()}
        return self._stage("distil", training.model_copy(update=stack))

    def _reuse_adapted(self) -> Reference | None:
        """Reuse a network that was adapted to other images, if the job reuses networks and there is one."""
        known = self.known
        if self.spec.reuse is not Reuse.NETWORK or known.adapted_network_id is None:
            return None
        recipe = self.spec.recipe_adapting(known.pretrained_network_id)
        self._add_reused(
            "distil",
            f"the newest network of {known.profile} with the recipe {recipe}, adapted to other images",
            known.adapted_network_id,
        )
        return known.adapted_network_id

    def _pretrained(self) -> tuple[str, str]:
        """Return the pretrained network of the job, and what to call it."""
        network = self.spec.network_to_adapt(self.known.pretrained_network_id)
        if network == PRETRAINED:
            return network, "the pretrained network"
        if self.spec.pretrained is not None:
            return network, f"the network {network}"
        return network, f"the network {network}, imported for {self.known.profile}"

    def _pretrained_stack(self) -> str | None:
        """Return the imported network for planes with neighbours of the job; None: the packaged one."""
        named = self.spec.pretrained_stack or self.known.pretrained_stack_network_id
        return None if named == PACKAGED else named

    def train_networks(self, why_not_adapted: str) -> None:
        n2v = self._n2v(why_not_adapted)
        noise_model, bootstrapped = self._noise_model(n2v)
        self._add_computed("pn2v", self._why_pn2v())
        start = n2v if self.spec.preset.warm_starts else None
        pn2v = self._stage("pn2v", self._train(Method.PN2V, noise_model=noise_model, start=start))
        if bootstrapped:
            # PN2V's predictions are better pseudo ground truth than N2V's.
            noise_model = self._refit(pn2v, noise_model)
        distilled = self._distil(pn2v, noise_model)
        self._predict(pn2v, noise_model, compare_with=n2v, distilled=distilled)

    def _n2v(self, why_not_adapted: str) -> Reference:
        known, spec = self.known, self.spec
        if spec.reuse in {Reuse.NOISE_MODEL, Reuse.NETWORK} and known.n2v_network_id is not None:
            why = f"the newest N2V network of {known.profile} with the recipe {spec.recipe}"
            self._add_reused("n2v", why, known.n2v_network_id)
            return known.n2v_network_id
        why = "it initialises PN2V" if spec.preset.warm_starts else "its result is compared with PN2V's"
        self._add_computed("n2v", f"{why}; the pretrained network is not adapted: {why_not_adapted}")
        return self._stage("n2v", self._train(Method.N2V))

    def _noise_model(self, n2v: Reference) -> tuple[Reference, bool]:
        """Reuse a noise model or bootstrap one; return it, and True if it is bootstrapped."""
        stored = self.stored_noise_model
        if (chosen := stored.chosen) is not None:
            noise_model_id, why = chosen
            self._add_reused("noise_model", why, noise_model_id, fit=stored.fit, warning=stored.warning)
            return noise_model_id, False
        self._add_computed("noise_model", stored.why_none, fit=stored.fit, warning=stored.warning)
        spec = BootstrapNoiseModelSpec(
            image_ids=self.spec.image_ids,
            network=n2v,
            noise_model_kind=self.spec.noise_model_kind or NoiseModelKind.GMM,
            channel=self.channel,
            seed=self.spec.seed,
        )
        return self._stage("noise_model", spec), True

    def _refit(self, pn2v: Reference, noise_model: Reference) -> Reference:
        """Add a stage that refits a bootstrapped noise model; it counts as a part of the next step."""
        spec = RefitNoiseModelSpec(
            image_ids=self.spec.image_ids,
            network=pn2v,
            noise_model=noise_model,
            channel=self.channel,
            seed=self.spec.seed,
        )
        return self._stage("distil" if self.not_distilled is None else "predict", spec, REFIT_WEIGHT)

    def _distil(self, pn2v: Reference, noise_model: Reference) -> Reference | None:
        if self.not_distilled is not None:
            self._add_reused("distil", self.not_distilled, None)
            return None
        why = "it learns PN2V's estimates under fresh noise, and its result is compared with PN2V's"
        self._add_computed("distil", why)
        return self._stage("distil", self._train(Method.DISTILLED, noise_model=noise_model, teacher=pn2v))

    def _reuse_distilled(self) -> str | None:
        known = self.known
        network_id = known.distilled_network_id if self.not_distilled is None else None
        wanted = f"distilled network of {known.profile} with the recipe {self.spec.recipe}"
        missing = self.not_distilled or f"the registry has no {wanted}"
        self._add_reused("distil", f"the newest {wanted}" if network_id else missing, network_id)
        return network_id

    def _predict(
        self,
        network: Reference,
        noise_model: Reference | None,
        *,
        compare_with: Reference | None,
        distilled: Reference | None,
        pretrained: bool = False,
    ) -> None:
        spec = PredictSpec(
            image_ids=self.spec.image_ids,
            network=network,
            noise_model=noise_model,
            compare_with=compare_with,
            distilled=distilled,
            pretrained_stack=self._pretrained_stack() if pretrained else None,
            outputs=self.spec.outputs,
            keep_hot_pixels=self.spec.keep_hot_pixels,
            seed=self.spec.seed,
            **self.spec.result_files,
        )
        weight = WEIGHTS["predict"]
        if self.channel is None:
            prediction = plan_prediction(
                spec, self.extent, self.new_job_id, weight=weight, pretrained=pretrained
            )
        else:
            prediction = plan_parts(
                spec,
                self.extent,
                self.new_job_id,
                weight=weight,
                channel=self.channel,
                pretrained=pretrained,
            )
        self.stages += prediction.stages
        self.steps += prediction.steps

    def _why_pn2v(self) -> str:
        if self.spec.reuse is not Reuse.NETWORK:
            return "trained on these images"
        recipe = self.spec.recipe
        return f"trained: the registry has no PN2V network with the recipe {recipe} for these images"

    def _train(
        self,
        method: Method,
        *,
        noise_model: Reference | None = None,
        start: Reference | None = None,
        teacher: Reference | None = None,
    ) -> TrainSpec:
        return TrainSpec(
            image_ids=self.spec.image_ids,
            method=method,
            preset=self.spec.preset,
            noise_model=noise_model,
            start=start,
            teacher=teacher,
            seed=self.spec.seed,
            budget=self.spec.budget,
            structured_mask=self.spec.structured_mask,
            teaches=method.is_blind_spot and self.not_distilled is None,
            channel=self.channel,
        )

    def _stage(self, name: StageName, spec: StageSpec, weight: float | None = None) -> MadeByJob:
        """Add a stage and return a reference to its result."""
        planned = PlannedStage(self.new_job_id(), name, spec, WEIGHTS[name] if weight is None else weight)
        self.stages.append(planned)
        return MadeByJob(job=planned.job_id)

    def _add_computed(
        self, name: StageName, why: str, fit: NoiseModelFit | None = None, warning: str | None = None
    ) -> None:
        self.steps.append(
            PlanStep(stage=name, action="compute", why=why, channel=self.channel, fit=fit, warning=warning)
        )

    def _add_reused(
        self,
        name: StageName,
        why: str,
        reused_id: str | None,
        fit: NoiseModelFit | None = None,
        warning: str | None = None,
    ) -> None:
        """Add a step that reuses a model, or is skipped if `reused_id` is None."""
        action = "reuse" if reused_id else "skip"
        self.steps.append(
            PlanStep(
                stage=name,
                action=action,
                why=why,
                id=reused_id,
                channel=self.channel,
                fit=fit,
                warning=warning,
            )
        )
