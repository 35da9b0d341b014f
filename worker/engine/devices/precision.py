"""How exactly convolutions compute, and whether twice the same."""

from contextlib import AbstractContextManager, nullcontext

import torch

_WITH_BFLOAT16 = (8, 0)


def repeatable_convolutions(device: torch.device) -> AbstractContextManager[object]:
    """Context in which gradients are the same in every run: some of cuDNN's algorithms sum in any order."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


def convolution_precision(device: torch.device, *, reduced: bool) -> torch.autocast:
    """Context in which convolutions use bfloat16, if asked for and if the processor has instructions for it.

    Emulated bfloat16 would be slower than float32, not faster.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced and _has_bfloat16(device))


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        # Older ones emulate it, and say that they support it.
        return torch.cuda.get_device_capability(device) >= _WITH_BFLOAT16
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
