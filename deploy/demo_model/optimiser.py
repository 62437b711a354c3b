"""Muon for the inner matrices and AdamW for the rest, under one schedule, with averaged weights.

Muon (Jordan et al., 2024) replaces a matrix's momentum by the nearest orthogonal matrix; for small
transformers it needs about half the steps of AdamW.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn


def orthogonal(batch: Tensor, *, steps: int = 5) -> Tensor:
    """Approximately orthogonalise matrices (n, rows, columns) by a Newton-Schulz iteration."""
    tall = batch.shape[1] > batch.shape[2]
    x = batch.transpose(1, 2) if tall else batch
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Muon:
    """Momentum, orthogonalised; matrices of one shape are handled together."""

    def __init__(self, matrices: list[nn.Parameter], *, decay: float = 0.01) -> None:
        self.decay = decay
        self.groups: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for matrix in matrices:
            self.groups[matrix.shape].append(matrix)
        self.momentum = {
            shape: torch.zeros(len(group), *shape) for shape, group in self.groups.items()
        }

    @torch.no_grad()
    def step(self, rate: float, *, beta: float = 0.95) -> None:
        """One update at this learning rate; parameters without a gradient stay."""
        for shape, group in self.groups.items():
            if group[0].grad is None:
                continue
            gradient = torch.stack([matrix.grad for matrix in group])
            momentum = self.momentum[shape] = self.momentum[shape].to(gradient.device)
            momentum.lerp_(gradient, 1 - beta)
            update = orthogonal(gradient.lerp(momentum, beta))
            scale = max(1.0, shape[0] / shape[1]) ** 0.5
            for matrix, change in zip(group, update, strict=True):
                matrix.mul_(1 - rate * self.decay).add_(change, alpha=-rate * scale)


class Optimiser:
    """Both optimisers over a set of parameters, with clipping and averaged weights."""

    def __init__(
        self,
        named: list[tuple[str, nn.Parameter]],
        *,
        muon_rate: float = 0.012,
        adam_rate: float = 2e-3,
        average: float = 0.998,
    ) -> None:
        inner = [value for name, value in named if _is_inner(name, value)]
        outer = [value for name, value in named if not _is_inner(name, value)]
        self.named = named
        self.rates = (muon_rate, adam_rate)
        self.muon = Muon(inner)
        self.adam = torch.optim.AdamW(outer, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.decay = average
        self.steps = 0
        self.averaged = {name: value.detach().clone() for name, value in named}

    def step(self, factor: float) -> None:
        """Update at `factor` of the peak rates, then clear the gradients."""
        parameters = [value for _, value in self.named]
        nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], 1.0)
        self.muon.step(self.rates[0] * factor)
        for group in self.adam.param_groups:
            group["lr"] = self.rates[1] * factor
        self.adam.step()
        self.steps += 1
        keep = min(self.decay, (self.steps + 1) / (self.steps + 10))
        with torch.no_grad():
            for name, value in self.named:
                self.averaged[name].lerp_(value, 1 - keep)
                value.grad = None


def _is_inner(name: str, value: nn.Parameter) -> bool:
    """Whether Muon handles it: matrices between layers, not embeddings or output heads."""
    ends = ("embed_tokens", "lm_head", "patch_embed", "heads.", "merger.mlp.2")
    return value.ndim == 2 and not any(end in name for end in ends)


def schedule(progress: float, *, warm: float = 0.02, cool: float = 0.45) -> float:
    """Share of the peak rate at this progress (0..1): up, level, then linearly down."""
    if progress < warm:
        return max(progress / warm, 0.01)
    return max(0.01, min(1.0, (1 - progress) / cool))
