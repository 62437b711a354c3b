"""The demo checkpoint's network: Qwen2.5-VL's exact architecture, written for fast training.

Parameter names follow Hugging Face's checkpoint layout, so exporting is a rename of one tensor.
What makes it fast: all images of a batch have one size, every vision layer attends fully (one
batched attention call, no windows), the still image's two temporal slots share one weight, and
several questions about one image are packed behind a shared prefix with a block mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 14
MERGE = 2
CELL = PATCH * MERGE  # pixels along one edge of an image token
CHANNELS = 3
PATCH_PIXELS = CHANNELS * PATCH * PATCH


@dataclass(frozen=True)
class Shape:
    """Sizes of the network."""

    vocabulary: int
    vision_width: int = 160
    vision_layers: int = 4
    vision_heads: int = 5
    vision_hidden: int = 320
    text_width: int = 128
    text_layers: int = 4
    text_heads: int = 4
    text_hidden: int = 320
    # Columns get the slow end of the rates, so the base is small: else eight columns would all
    # look alike.
    rope_theta: float = 100.0
    mrope_section: tuple[int, int, int] = (2, 4, 10)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, 1e-6)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary embeddings in the half-split layout; the last axis is the head's width."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class GatedMLP(nn.Module):
    """SwiGLU."""

    def __init__(self, width: int, hidden: int, *, bias: bool) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=bias)
        self.up_proj = nn.Linear(width, hidden, bias=bias)
        self.down_proj = nn.Linear(hidden, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class VisionAttention(nn.Module):
    """Full self-attention among the patches of each image."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, count, width = x.shape
        qkv = self.qkv(x).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        mixed = F.scaled_dot_product_attention(
            rotate(query, cos, sin), rotate(key, cos, sin), value
        )
        return self.proj(mixed.transpose(1, 2).reshape(batch, count, width))


class VisionBlock(nn.Module):
    """One pre-norm layer of the vision tower."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm1 = RMSNorm(shape.vision_width)
        self.norm2 = RMSNorm(shape.vision_width)
        self.attn = VisionAttention(shape.vision_width, shape.vision_heads)
        self.mlp = GatedMLP(shape.vision_width, shape.vision_hidden, bias=True)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), cos, sin)
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """Linear map of a patch; stands for both temporal slots of the exported 3-D convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(PATCH_PIXELS, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class Merger(nn.Module):
    """Four neighbouring patches become one image token of the text model's width."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.ln_q = RMSNorm(width)
        merged = width * MERGE * MERGE
        self.mlp = nn.Sequential(nn.Linear(merged, merged), nn.GELU(), nn.Linear(merged, out))

    def forward(self, x: Tensor) -> Tensor:
        batch, count, width = x.shape
        x = self.ln_q(x).view(batch, count // (MERGE * MERGE), width * MERGE * MERGE)
        return self.mlp(x)


def merged_order(rows: int, columns: int) -> Tensor:
    """Row and column of each patch, four patches of a token together: (rows * columns, 2)."""
    grid = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), -1)
    grid = grid.view(rows // MERGE, MERGE, columns // MERGE, MERGE, 2)
    return grid.permute(0, 2, 1, 3, 4).reshape(-1, 2)


def patchify(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) normalised pixels to (B, patches, 588), four patches of a token together."""
    batch, channels, height, width = pixels.shape
    cells = pixels.reshape(
        batch, channels, height // CELL, MERGE, PATCH, width // CELL, MERGE, PATCH
    )
    return cells.permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(batch, -1, PATCH_PIXELS)


class VisionTower(nn.Module):
    """Patches of one-size images to image tokens in raster order."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.head_width = shape.vision_width // shape.vision_heads
        self.patch_embed = PatchEmbed(shape.vision_width)
        self.blocks = nn.ModuleList(VisionBlock(shape) for _ in range(shape.vision_layers))
        self.merger = Merger(shape.vision_width, shape.text_width)

    def rotary(self, rows: int, columns: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosine and sine of (patches, head width): rows turn one half, columns the other."""
        axis = self.head_width // 2
        rates = 10000.0 ** -(torch.arange(0, axis, 2, device=device).float() / axis)
        angles = (merged_order(rows, columns).to(device)[..., None] * rates).flatten(1)
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    def forward(self, patches: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """(B, rows * columns, 588) to tokens (B, rows * columns / 4, width), and patches."""
        cos, sin = self.rotary(rows, columns, patches.device)
        x = self.patch_embed(patches)
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.merger(x), x


class TextAttention(nn.Module):
    """Causal attention, limited further by a block mask."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        batch, count, width = x.shape

        def split(states: Tensor) -> Tensor:
            return states.view(batch, count, self.heads, -1).transpose(1, 2)

        query = rotate(split(self.q_proj(x)), cos, sin)
        key = rotate(split(self.k_proj(x)), cos, sin)
        mixed = F.scaled_dot_product_attention(query, key, split(self.v_proj(x)), attn_mask=mask)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, count, width))


class TextLayer(nn.Module):
    """One pre-norm layer of the language model."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.text_width)
        self.post_attention_layernorm = RMSNorm(shape.text_width)
        self.self_attn = TextAttention(shape.text_width, shape.text_heads)
        self.mlp = GatedMLP(shape.text_width, shape.text_hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class TextModel(nn.Module):
    """The language model's trunk; image tokens arrive already embedded."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.text_width)
        self.layers = nn.ModuleList(TextLayer(shape) for _ in range(shape.text_layers))
        self.norm = RMSNorm(shape.text_width)

    def rotary(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(3, B, T) time, row and column positions to cosine and sine (B, 1, T, head width)."""
        width = self.shape.text_width // self.shape.text_heads
        exponents = torch.arange(0, width, 2, device=positions.device).float() / width
        angles = positions[..., None].float() * self.shape.rope_theta**-exponents
        parts = angles.split(self.shape.mrope_section, dim=-1)
        mixed = torch.cat([part[axis] for axis, part in enumerate(parts)], dim=-1)
        mixed = torch.cat((mixed, mixed), dim=-1).unsqueeze(1)
        return mixed.cos(), mixed.sin()

    def forward(
        self, embedded: Tensor, positions: Tensor, mask: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Embedded tokens (B, T, width) to final states, and the states after every layer."""
        cos, sin = self.rotary(positions)
        x, between = embedded, []
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
            between.append(x)
        return self.norm(x), between


class DemoModel(nn.Module):
    """Vision tower, language model and output head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.visual = VisionTower(shape)
        self.model = TextModel(shape)
        self.lm_head = nn.Linear(shape.text_width, shape.vocabulary, bias=False)
        self.apply(_initialise)

    def embed(self, tokens: Tensor, image_slots: Tensor, image_tokens: Tensor) -> Tensor:
        """Embed (B, T) tokens and put (B, N, width) image tokens where `image_slots` is true."""
        embedded = self.model.embed_tokens(tokens)
        return embedded.masked_scatter(image_slots[..., None], image_tokens.to(embedded.dtype))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5 * 0.7)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.5)
