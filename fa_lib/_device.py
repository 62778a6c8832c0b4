"""Where tensors live."""

from __future__ import annotations

import torch

__all__ = ["resolve_device"]


def resolve_device(device: str | torch.device) -> torch.device:
    """The device meant: "auto" is the GPU when there is one, else the CPU.

    Raises:
        ValueError: not "auto", "cpu", "cuda" or "cuda:<index>".
        RuntimeError: a CUDA device that is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError):
        resolved = None
    if resolved is None or resolved.type not in ("cpu", "cuda"):
        raise ValueError(f"Unknown device {device!r}. Allowed: auto, cpu, cuda, cuda:<index>.")
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise RuntimeError(
            f"Device {device!r} is not there: this machine shows {torch.cuda.device_count()} "
            "CUDA device(s). Use device='auto' or 'cpu'."
        )
    return resolved
