"""The optimisers of training against torch.optim, bit for bit."""

import pytest
import torch

from fa_lib._optimizers import OPTIMIZERS, fresh_state

TORCH = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", list(TORCH))
def test_as_torch_optim(name: str, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(3)
    shapes = [(3, 50, 20), (3, 7)]
    ours = [torch.randn(shape, generator=draw).to(dtype) for shape in shapes]
    theirs = [value.clone() for value in ours]
    for value in (*ours, *theirs):
        value.grad = torch.empty_like(value)
    step = OPTIMIZERS[name](ours, 0.01, fresh_state(name, ours), 0)
    optimiser = TORCH[name](theirs, lr=0.01, fused=True)
    for _ in range(20):
        for mine, reference in zip(ours, theirs, strict=True):
            assert mine.grad is not None
            assert reference.grad is not None
            mine.grad.normal_(generator=draw)
            reference.grad.copy_(mine.grad)
        step()
        optimiser.step()
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, reference, rtol=0, atol=0)


@pytest.mark.parametrize("name", list(TORCH))
def test_parameters_without_gradients_are_refused(name: str) -> None:
    values = [torch.zeros(3)]
    with pytest.raises(ValueError, match="gradients"):
        OPTIMIZERS[name](values, 0.1, fresh_state(name, values), 0)
