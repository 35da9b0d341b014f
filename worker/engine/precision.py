"""Whether convolutions may compute in bfloat16."""

import torch


def convolution_precision(device: torch.device, *, reduced: bool) -> torch.autocast:
    """Context in which convolutions use bfloat16, if asked for and if the processor has instructions for it.

    Emulated bfloat16 would be slower than float32, not faster.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced and _has_bfloat16(device))


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
