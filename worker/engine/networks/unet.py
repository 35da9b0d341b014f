"""The U-Net shared by all methods."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.engine.networks.prior import PriorKind
from worker.engine.planes.tiling import Window


@dataclass(frozen=True)
class UNetShape:
    """Size of a U-Net: feature maps of the first level (doubled per level), levels, outputs per pixel.

    With a `global_skip` the input is one more feature map of the last layer, so that the network need only
    tell how the signal differs from the observation. With several `frames`, planes of a stack, the input is
    the middle one and its neighbours.
    """

    features: int
    depth: int
    outputs: int
    global_skip: bool = False
    frames: int = 1

    @property
    def blind(self) -> bool:
        """Whether the architecture itself excludes the centre pixel; a U-Net relies on masking instead."""
        return False

    @property
    def prior(self) -> PriorKind:
        """Kind of prior that the outputs parametrise."""
        return "samples"

    @property
    def head_features(self) -> int:
        """Number of feature maps that enter the last layer."""
        return self.features + int(self.global_skip)

    @property
    def stride_px(self) -> int:
        """Stride of the deepest level; tiles have to start on multiples of it."""
        return 1 << (self.depth - 1)

    @property
    def reach_px(self) -> int:
        """Receptive field radius of an output pixel, rounded up to the stride.

        Two 3x3 convolutions per level on the way down and up reach 4 px of that level's grid (2 at the
        deepest), and pooling shifts by up to stride - 1 more.
        """
        convolutions = sum(4 << level for level in range(self.depth - 1)) + 2 * self.stride_px
        return -(-(convolutions + self.stride_px - 1) // self.stride_px) * self.stride_px


class UNet(nn.Module):
    """U-Net with 3x3 convolutions, max pooling, 2x2 transposed convolutions and added skip connections.

    The final 1x1 layer is `head`, separate from `features`, so that it can be evaluated at some pixels only.
    """

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        self.shape = shape
        widths = [shape.features << level for level in range(shape.depth)]
        # Weights are allocated by `initialise` or by loading a state: construction must not draw from the
        # process-wide random generator.
        with torch.device("meta"):
            self.down = nn.ModuleList(
                _two_convolutions(a, b) for a, b in itertools.pairwise([shape.frames, *widths])
            )
            self.enlarge = nn.ModuleList(
                nn.ConvTranspose2d(b, a, kernel_size=2, stride=2) for a, b in itertools.pairwise(widths)
            )
            self.up = nn.ModuleList(_two_convolutions(width, width) for width in widths[:-1])
            self.head = nn.Linear(shape.head_features, shape.outputs)

    def initialise(self, generator: torch.Generator) -> "UNet":
        """Initialise weights from a Xavier normal distribution and biases with zero."""
        self.to_empty(device="cpu")
        for name, values in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(values)
            else:
                nn.init.xavier_normal_(values, generator=generator)
        return self

    def features(self, image: Tensor) -> Tensor:
        """(B, T, H, W) normalised image -> (B, F, H, W); H and W are multiples of the stride."""
        level, *skip = self.feature_groups(image)
        # Not in reduced precision: bright observations have more digits.
        return torch.cat([level.to(image.dtype), *skip], dim=1) if skip else level

    def feature_groups(self, image: Tensor) -> list[Tensor]:
        """Return groups of features; joining them for a whole tile takes as long as two convolutions."""
        skips: list[Tensor] = []
        level = image.contiguous(memory_format=torch.channels_last)
        for convolutions in self.down:
            if skips:
                level = functional.max_pool2d(skips[-1], 2)
            level = convolutions(level)
            skips.append(level)
        for enlarge, convolutions, skip in zip(
            reversed(self.enlarge), reversed(self.up), reversed(skips[:-1]), strict=True
        ):
            level = convolutions(enlarge(level) + skip)
        return [level, image[:, self.shape.frames // 2, None]] if self.shape.global_skip else [level]

    def turned_features(self, image: Tensor, window: Window, turns: Sequence[int]) -> Iterator[list[Tensor]]:
        """Yield groups of features in a window for each number of turns of the image, rotated back."""
        for turn in turns:
            groups = self.feature_groups(image.rot90(turn, dims=(2, 3)))
            yield [group.rot90(-turn, dims=(2, 3))[:, :, *window] for group in groups]

    def forward(self, image: Tensor) -> Tensor:
        """(B, T, H, W) normalised image -> (B, S, H, W) outputs of the head."""
        outputs = cast("Tensor", self.head(self.features(image).permute(0, 2, 3, 1)))
        return outputs.permute(0, 3, 1, 2)


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
    )
