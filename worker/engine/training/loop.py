"""Training loop of N2V, PN2V, CARE and distilled networks."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.devices.execution import execution_on
from worker.engine.devices.memory import AdaptiveBatch, raising_out_of_memory
from worker.engine.devices.precision import convolution_precision, repeatable_convolutions
from worker.engine.errors import CheckpointInvalidError, EngineError, NetworkInvalidError
from worker.engine.networks.architecture import Model, build_model, to_device
from worker.engine.networks.checkpoint import CheckpointStore, deserialise, serialise, strip_prefix
from worker.engine.networks.network import LossPoint, Network, TrainingMethod
from worker.engine.networks.prior import PARAMETERS, GaussianMixture, samples_of
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.training.batches import Batch
from worker.engine.training.losses import n2v_loss, pn2v_loss
from worker.engine.training.optimiser_state import optimiser_tensors, restore_optimiser
from worker.engine.training.patches import TrainingImages, collect_training_images
from worker.engine.training.presets import TrainingPreset
from worker.engine.training.resident import ResidentImages
from worker.engine.training.schedule import learning_rate

_WARM_START_SPREAD = 0.02
"""Initial spread, in output units, of a PN2V network's samples around the prediction of its start network."""

_NARROWING = 0.3
"""Factor by which a PN2V network narrows the Gaussians of its N2V start network, which include the noise."""

_NEARBY_PX = 5
"""Side of the square around a pixel whose mean tells its noise."""

_FINEST = 0.02
"""Lower bound of the width of a density, in the spread of the image: observations are integers, and
the density of an exact prediction would be unbounded."""


class TrainingDivergedError(EngineError):
    """The loss has become infinite or NaN."""

    code: ClassVar[str] = "training-diverged"


@dataclass(frozen=True)
class TrainingStep:
    """Progress of a run after `step` of `steps`; the validation loss is computed at some steps only.

    On a GPU, `loss` is the one read at the last validation, to avoid synchronising at each step.
    """

    step: int
    steps: int
    loss: float
    validation_loss: float | None


def finite_loss(loss: float, step: int) -> float:
    """Return the loss of a training after a step; raise TrainingDivergedError if it is not finite."""
    if not math.isfinite(loss):
        raise TrainingDivergedError(
            f"the training failed: its loss is {loss} after step {step}; train again with another seed"
        )
    return loss


def train(  # noqa: PLR0913  # because a run has that many independent circumstances
    planes: PlaneSequence,
    *,
    method: TrainingMethod,
    preset: TrainingPreset,
    noise_model: NoiseModel | None = None,
    ground_truth: PlaneSequence | None = None,
    start: Network | None = None,
    seed: int,
    device: torch.device,
    checkpoints: CheckpointStore | None = None,
    on_step: Callable[[TrainingStep], None],
) -> Network:
    """Train a network on noisy images; PN2V needs a noise model and may start from another network's weights.

    CARE (Weigert et al. 2018) needs the `ground_truth` of each plane, and learns from all pixels. A distilled
    network learns to recover `planes`, which are estimates, from noise sampled anew at each step (Wu et al.
    2020).

    Training is deterministic per seed and device. `on_step` may raise to stop; with `checkpoints` a run
    resumes from its last checkpoint with the same result as an uninterrupted one.
    Raises ImageUnsuitableError, NetworkInvalidError (`start` of another size), CheckpointInvalidError (of
    another run), TrainingDivergedError and OutOfMemoryError.
    """
    generator = torch.Generator().manual_seed(seed)
    if (method == "care") != (ground_truth is not None):
        raise NetworkInvalidError("CARE is trained with ground truth, N2V and PN2V without")
    images = collect_training_images(planes, preset, generator, ground_truth, noise_model)
    masked = preset.masks(method)
    network = _initial_network(images, method, preset, start, seed, generator)
    validation = images.draw_validation(preset, generator, masked=masked)
    steps = preset.steps(method, images.usable_px)
    with (
        raising_out_of_memory(device, "the training images and the network"),
        repeatable_convolutions(device),
    ):
        if noise_model is not None:
            noise_model = noise_model.to(device, torch.float32)
        renoise = noise_model if method == "distilled" else None
        source: TrainingImages | ResidentImages = images
        execution = execution_on(device)
        if execution.resident:
            source, generator = ResidentImages.of(images, device), torch.Generator(device).manual_seed(seed)
        del images
        validation_batch = _renoised(validation.to(device), renoise, generator)
        run = _Run(network, preset, steps, noise_model, device, validation_batch, generator)
        if checkpoints is not None and (content := checkpoints.load()) is not None:
            run.restore(content)
        next_checkpoint = run.step + execution.steps_per_checkpoint
        while run.step < run.steps:
            batch = source.draw(preset, generator, masked=masked)
            progress = run.advance(_renoised(batch, renoise, generator))
            validated = progress.validation_loss is not None
            if checkpoints is not None and validated and run.step >= next_checkpoint:
                checkpoints.save(run.checkpoint())
                next_checkpoint = run.step + execution.steps_per_checkpoint
            on_step(progress)
        return run.result()


class _Run:
    """The state of one training run."""

    def __init__(
        self,
        network: Network,
        preset: TrainingPreset,
        steps: int,
        noise_model: NoiseModel | None,
        device: torch.device,
        validation: Batch,
        generator: torch.Generator,
    ) -> None:
        if network.method in {"pn2v", "distilled"} and noise_model is None:
            raise NetworkInvalidError(f"a {network.method} network cannot be trained without a noise model")
        self._network = network
        self._preset = preset
        self._noise_model = noise_model
        self._device = device
        self._validation = validation
        self._generator = generator
        execution = execution_on(device)
        # With resident images the device runs asynchronously; the host reads losses at validation only.
        self._asynchronous = execution.resident
        self._model = to_device(network.model, device).train()
        self._optimiser = torch.optim.Adam(
            self._model.parameters(),
            lr=preset.learning_rate(network.method),
            fused=self._asynchronous or None,
        )
        batch_size = preset.patches_per_step if execution.whole_steps else preset.patches_at_once
        self._batch_size = AdaptiveBatch("patches", batch_size, 1, device)
        self._pending_losses: list[Tensor] = []
        self._losses: list[float] = []
        self._last_loss = math.nan
        self._history: list[LossPoint] = []
        self.step = 0
        self.steps = steps

    def advance(self, batch: Batch) -> TrainingStep:
        """Take one optimiser step."""
        rate = learning_rate(
            self._preset.schedule,
            self._preset.learning_rate(self._network.method),
            step=self.step,
            steps=self.steps,
            validation_losses=[point.validation_loss for point in self._history],
        )
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._pending_losses.append(self._accumulate(batch))
        validates = (self.step + 1) % self._preset.steps_per_validation == 0 or self.step + 1 == self.steps
        if validates or not self._asynchronous or math.isnan(self._last_loss):
            self._read_losses()
        if self._preset.gradient_limit is not None:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._preset.gradient_limit)
        self._optimiser.step()
        self.step += 1
        validation_loss = None
        if validates:
            with torch.no_grad():
                validation_loss = self._finite(float(self._accumulate(self._validation)))
            self._history.append(LossPoint(self.step, sum(self._losses) / len(self._losses), validation_loss))
            self._losses = []
        return TrainingStep(self.step, self.steps, self._last_loss, validation_loss)

    def _read_losses(self) -> None:
        """Synchronise with the device and read the pending losses."""
        losses = torch.stack(self._pending_losses).tolist()
        self._pending_losses = []
        self._losses += map(self._finite, losses)
        self._last_loss = losses[-1]

    def _finite(self, loss: float) -> float:
        return finite_loss(loss, self.step)

    def _accumulate(self, batch: Batch) -> Tensor:
        """Return the mean loss over the masked pixels of all patches, float64, and accumulate gradients."""
        return self._batch_size.run(lambda patches: self._accumulate_parts(batch, patches))

    def _accumulate_parts(self, batch: Batch, patches: int) -> Tensor:
        self._optimiser.zero_grad()
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        for part in batch.split(patches):
            loss = self._loss(part)
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _loss(self, batch: Batch) -> Tensor:
        image = self._network.scale.normalise(batch.image[:, None])
        with convolution_precision(self._device, reduced=self._preset.reduced_precision):
            features = self._model.features(image)
        # The last layer, the samples and the likelihood are computed at target pixels only.
        at_targets = batch.at_targets(features.permute(0, 2, 3, 1)).float()
        network = self._network
        outputs, target = network.outputs_adu(at_targets), batch.target_adu
        if self._noise_model is not None and network.method == "pn2v":
            samples = samples_of(outputs, network.prior)
            return pn2v_loss(samples, target, self._noise_model, average=batch.average)
        if network.prior == "mixture":
            # Without a noise model the mixture models the observation: same mean as the signal, wider.
            blur_adu2 = (_FINEST * network.scale.spread * self._noise_adu(batch)).square()
            mixture = GaussianMixture.of_outputs(outputs)
            return batch.average(-mixture.log_density(target, blur_adu2=blur_adu2))
        return n2v_loss(outputs[:, 0], target, std_adu=self._noise_adu(batch), average=batch.average)

    def _noise_adu(self, batch: Batch) -> Tensor:
        """Return the unit of the scale of the signals at the targets (M,), ADU.

        It is taken from the mean of the network's input nearby, which does not contain the target: a unit
        that depends on the target would bias the prediction.
        """
        scale, signal_scale = self._network.scale, self._network.output_scale
        if scale.curve is None:
            return torch.full_like(batch.target_adu, signal_scale.unit_adu)
        level = functional.avg_pool2d(
            batch.image[:, None], _NEARBY_PX, stride=1, padding=_NEARBY_PX // 2, count_include_pad=False
        )
        noise_adu = scale.noise_adu(batch.at_targets(level[:, 0, :, :, None])[:, 0])
        return noise_adu * (signal_scale.unit_adu / scale.unit_adu)

    def checkpoint(self) -> bytes:
        tensors = {f"model.{name}": values for name, values in self._model.state_dict().items()}
        tensors |= optimiser_tensors(self._optimiser)
        tensors[_generator_of(self._device)] = self._generator.get_state()
        progress = {"step": self.step, "history": list(map(asdict, self._history))}
        return serialise(tensors, self._identity() | progress)

    def restore(self, content: bytes) -> None:
        """Resume from a checkpoint; raise CheckpointInvalidError if it belongs to another run."""
        tensors, description = deserialise(content)
        for name, expected in self._identity().items():
            if description.get(name) != expected:
                raise CheckpointInvalidError(
                    f"checkpoint of a run with {name} {description.get(name)!r}, expected {expected!r}"
                )
        try:
            self._model.load_state_dict(strip_prefix(tensors, "model."))
            restore_optimiser(self._optimiser, tensors)
            # The state of another device type's generator cannot be used; the seeded one is kept then.
            if (state := tensors.get(_generator_of(self._device))) is not None:
                self._generator.set_state(state)
            self.step = int(description["step"])
            self._history = [LossPoint(**point) for point in description["history"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointInvalidError(f"incomplete checkpoint: {error!r}") from error

    def _identity(self) -> dict[str, Any]:
        network = self._network
        return {
            "method": network.method,
            "seed": network.seed,
            "scale": network.scale.parameters,
            "preset": asdict(self._preset),
        }

    def result(self) -> Network:
        trained = build_model(self._model.shape)
        weights = {
            name: values.detach().cpu().contiguous().clone()
            for name, values in self._model.state_dict().items()
        }
        trained.load_state_dict(weights, assign=True)
        return replace(
            self._network,
            model=trained.requires_grad_(requires_grad=False).eval(),
            steps=self.step,
            loss_history=tuple(self._history),
        )


def _renoised(batch: Batch, noise_model: NoiseModel | None, generator: torch.Generator) -> Batch:
    """Return the batch with fresh noise sampled from the noise model, if there is one."""
    return batch.with_image(noise_model.sample(batch.image, generator)) if noise_model else batch


def _initial_network(
    images: TrainingImages,
    method: TrainingMethod,
    preset: TrainingPreset,
    start: Network | None,
    seed: int,
    generator: torch.Generator,
) -> Network:
    # The pretrained network has one size, whatever the preset's.
    shape = start.model.shape if start and start.method == "pretrained" else preset.shape(method)
    model = build_model(shape).initialise(generator)
    if start is not None:
        _copy_weights(start, model, generator)
    return Network(
        model=model,
        method=method,
        preset=preset.name,
        seed=seed,
        steps=0,
        # Weights are valid for the scale they were trained with only.
        scale=start.scale if start else images.scale,
        symmetries=preset.symmetries,
        signal_scale=images.signal_scale,
    )


def _copy_weights(start: Network, model: Model, generator: torch.Generator) -> None:
    """Copy the weights of a trained network; several outputs are spread around its mean output."""
    source = start.model
    if replace(source.shape, outputs=0) != replace(model.shape, outputs=0):
        raise NetworkInvalidError(f"cannot start {model.shape} from a network with {source.shape}")
    weights = {name: values.clone() for name, values in source.state_dict().items()}
    outputs = model.shape.outputs
    if source.shape.outputs != outputs:
        width = _WARM_START_SPREAD if outputs > 1 else 0.0
        spread = width * torch.randn((outputs, model.shape.head_features + 1), generator=generator)
        scale = source.head.weight.square().mean().sqrt()
        weights["head.weight"] = weights["head.weight"].mean(dim=0) + scale * spread[:, 1:]
        weights["head.bias"] = weights["head.bias"].mean(dim=0) + spread[:, 0]
    if model.shape.prior == "mixture" and start.method == "n2v":
        gaussians = outputs // PARAMETERS
        weights["head.bias"][gaussians : 2 * gaussians] += math.log(_NARROWING)
    model.load_state_dict(weights)


def _generator_of(device: torch.device) -> str:
    return "generator" if device.type == "cpu" else f"generator.{device.type}"
