"""Blind-spot network: the output at a pixel does not depend on that pixel (Laine et al., NeurIPS 2019)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.engine.networks.prior import PriorKind
from worker.engine.planes.tiling import Window

_SLOPE = 0.1
_HALF_PLANES = 4


@dataclass(frozen=True)
class BlindSpotShape:
    """Size of a blind-spot network: feature maps per level, levels, outputs per pixel.

    `blind_px` neighbours on every side are hidden along with a pixel, for correlated noise.
    """

    features: int
    depth: int
    outputs: int
    blind_px: int = 0

    @property
    def frames(self) -> int:
        """Number of planes that the network sees."""
        return 1

    @property
    def blind(self) -> bool:
        """Whether the architecture itself excludes the centre pixel."""
        return True

    @property
    def prior(self) -> PriorKind:
        """Kind of prior that the outputs parametrise."""
        return "mixture"

    @property
    def head_features(self) -> int:
        """Number of feature maps that enter the last layer."""
        return 2 * self.features

    @property
    def stride_px(self) -> int:
        """Stride of the deepest level; tiles have to start on multiples of it."""
        return 1 << (self.depth - 1)

    @property
    def reach_px(self) -> int:
        """Receptive field radius of an output pixel, rounded up to the stride.

        Along a row each convolution reaches one pixel of its input grid; a level has two on the way down, the
        first of which reads the finer grid, and two on the way up, except for the deepest. Down- and
        upsampling shifts by less than a pixel of the coarser grid.
        """
        own = [4, *(3 << level for level in range(1, self.depth - 1)), self.stride_px]
        between = sum(3 << level for level in range(self.depth - 1))
        reach = sum(own[: self.depth]) + between + 1 + self.blind_px
        return -(-reach // self.stride_px) * self.stride_px


class BlindSpotNet(nn.Module):
    """U-Net whose receptive fields are half planes, applied to the four rotations of the image.

    One set of weights sees the rows above a pixel in each rotation; 1x1 layers combine the four results. The
    last of them is `head`, separate from `features` as in `UNet`.
    """

    def __init__(self, shape: BlindSpotShape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.features
        # Weights are allocated by `initialise` or by loading a state, as in `UNet`.
        with torch.device("meta"):
            self.down = nn.ModuleList(
                nn.Sequential(
                    _UpwardConvolution(width, width, stride=2) if level else _UpwardConvolution(1, width),
                    _UpwardConvolution(width, width),
                )
                for level in range(shape.depth)
            )
            self.up = nn.ModuleList(
                nn.Sequential(_UpwardConvolution(width, width), _UpwardConvolution(width, width))
                for _ in range(shape.depth - 1)
            )
            self.join = nn.Sequential(
                nn.Conv2d(_HALF_PLANES * width, shape.head_features, kernel_size=1),
                nn.LeakyReLU(_SLOPE, inplace=True),
                nn.Conv2d(shape.head_features, shape.head_features, kernel_size=1),
                nn.LeakyReLU(_SLOPE, inplace=True),
            )
            self.head = nn.Linear(shape.head_features, shape.outputs)

    def initialise(self, generator: torch.Generator) -> "BlindSpotNet":
        """Initialise weights from a Kaiming normal distribution and biases with zero."""
        self.to_empty(device="cpu")
        for name, values in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(values)
            else:
                nn.init.kaiming_normal_(values, a=_SLOPE, generator=generator)
        return self

    def features(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) normalised image -> (B, F, H, W); H and W are multiples of the stride."""
        return self._join(self._half_planes(image), 0)

    def turned_features(self, image: Tensor, window: Window, turns: Sequence[int]) -> Iterator[list[Tensor]]:
        """Yield groups of features in a window for each number of quarter turns of the image, rotated back.

        Rotating the image merely permutes its half planes.
        """
        half_planes = [half_plane[:, :, *window] for half_plane in self._half_planes(image)]
        for turn in turns:
            yield [self._join(half_planes, turn)]

    def _join(self, half_planes: list[Tensor], turn: int) -> Tensor:
        joined = torch.cat(half_planes[turn:] + half_planes[:turn], dim=1)
        return cast("Tensor", self.join(joined.contiguous(memory_format=torch.channels_last)))

    def _half_planes(self, image: Tensor) -> list[Tensor]:
        """Return features of the half plane above each pixel for 0 .. 3 quarter turns, rotated back."""
        seen: list[Tensor] = [image] * _HALF_PLANES
        # Opposite rotations have the same shape and form one batch.
        for turns in ((0, 2), (1, 3)):
            both = torch.cat([image.rot90(turn, dims=(2, 3)) for turn in turns])
            above = self._above(both.contiguous(memory_format=torch.channels_last)).chunk(2)
            for turn, half_plane in zip(turns, above, strict=True):
                seen[turn] = half_plane.rot90(-turn, dims=(2, 3))
        return seen

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) normalised image -> (B, S, H, W) outputs of the head."""
        outputs = cast("Tensor", self.head(self.features(image).permute(0, 2, 3, 1)))
        return outputs.permute(0, 3, 1, 2)

    def _above(self, image: Tensor) -> Tensor:
        """Return features of the rows strictly above each pixel."""
        level, skips = image, []
        for convolutions in self.down:
            level = convolutions(level)
            skips.append(level)
        skips.pop()
        for convolutions in self.up:
            level = convolutions(functional.interpolate(level, scale_factor=2, mode="nearest") + skips.pop())
        hidden = 1 + self.shape.blind_px
        return functional.pad(level[:, :, :-hidden], (0, 0, hidden, 0))


class _UpwardConvolution(nn.Module):
    """Convolution over a pixel's row and the row above, three columns wide, and a leaky ReLU.

    With a stride it replaces pooling: a pair of rows, after upsampling, does not depend on anything below its
    upper row.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.weights = nn.Conv2d(inputs, outputs, kernel_size=(2, 3), stride=stride)

    def forward(self, image: Tensor) -> Tensor:
        padded = functional.pad(image, (1, 1, 1, 0))
        return functional.leaky_relu_(self.weights(padded), _SLOPE)
