"""Convolution precision (bfloat16 autocast) and deterministic cuDNN."""

from contextlib import AbstractContextManager, nullcontext

import torch

_BFLOAT16_CAPABILITY = (8, 0)


def repeatable_convolutions(device: torch.device) -> AbstractContextManager[object]:
    """Return a context with deterministic cuDNN algorithms, so that gradients are reproducible."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


def convolution_precision(device: torch.device, *, reduced: bool) -> torch.autocast:
    """Return a context in which convolutions use bfloat16 if `reduced` and the hardware supports it.

    Emulated bfloat16 would be slower than float32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced and has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware computes in bfloat16."""
    if device.type == "cuda":
        # Not `is_bf16_supported`, which includes emulation on older GPUs.
        return torch.cuda.get_device_capability(device) >= _BFLOAT16_CAPABILITY
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
