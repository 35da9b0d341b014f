"""Names and shapes of the weights of a U-Net with its input in the last layer."""

import itertools


def weight_shapes(features: int, depth: int, frames: int = 1) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight of a U-Net whose first level has `features` feature maps.

    `frames`: planes that it sees at once.
    """
    widths = [features << level for level in range(depth)]
    shapes: dict[str, tuple[int, ...]] = {"head.weight": (1, features + 1), "head.bias": (1,)}
    for level, (inputs, outputs) in enumerate(itertools.pairwise([frames, *widths])):
        shapes |= _two_convolutions(f"down.{level}", inputs, outputs)
    for level, (outputs, inputs) in enumerate(itertools.pairwise(widths)):
        shapes[f"enlarge.{level}.weight"] = (inputs, outputs, 2, 2)
        shapes[f"enlarge.{level}.bias"] = (outputs,)
        shapes |= _two_convolutions(f"up.{level}", outputs, outputs)
    return shapes


def _two_convolutions(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.0.weight": (outputs, inputs, 3, 3),
        f"{name}.0.bias": (outputs,),
        f"{name}.2.weight": (outputs, outputs, 3, 3),
        f"{name}.2.bias": (outputs,),
    }
