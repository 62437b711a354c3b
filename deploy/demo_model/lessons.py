"""What is learnt from a batch: the losses, and how right the answers are.

The two halves are first taught apart. A fixed codebook of orthogonal vectors says what an image
token of, say, "part of a red star, its centre" should be. The vision tower learns to produce these
vectors from pixels while the language model learns to answer from them; then both are joined.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deploy.demo_model.architecture import DemoModel, Shape, patchify, rotate
from deploy.demo_model.conversations import NO_TARGET
from deploy.demo_model.labels import BACKGROUND, MASK_SIDE, NO_COLOUR
from deploy.demo_model.questions import ALL_KINDS
from deploy.demo_model.scenes import COLOURS, KINDS
from deploy.demo_model.vocabulary import PIXEL_MEAN, PIXEL_STD, Vocabulary

Tensors = Mapping[str, Tensor]
CODE_SIZE = 0.5  # root mean square of a code's elements
SHARPNESS = 10.0  # logit of a code that is fully present
WORD_LOGIT = 0.1
FINDING_LAYER, FINDING_HEAD = 2, 1  # taught to look at what a question is about
COLUMN_BINS = 5
COLUMN_LAYER = 1  # after this text layer, image tokens must know their column


class Codebook(nn.Module):
    """Orthogonal codes of kinds, colours and "centre"; fixed by its own seed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(20)
        count = BACKGROUND + 1 + NO_COLOUR + 1 + 1
        basis = torch.linalg.qr(torch.randn(width, count, generator=generator)).Q.T
        codes = basis * CODE_SIZE * width**0.5
        kinds, colours, centre = codes.split((BACKGROUND + 1, NO_COLOUR + 1, 1))
        self.register_buffer("kinds", kinds, persistent=False)
        self.register_buffer("colours", colours, persistent=False)
        self.register_buffer("centre", centre, persistent=False)

    def tokens(self, batch: Tensors) -> Tensor:
        """The image tokens that the labels call for: (B, N, width)."""
        codes = self.kinds[batch["kind"]] + self.colours[batch["colour"]]
        return codes + batch["centre"][..., None] * self.centre

    def read(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of kind and colour, and the centre's strength (0..1), in image tokens."""
        unit = CODE_SIZE**2 * tokens.shape[-1]
        kind = tokens @ self.kinds.T * (SHARPNESS / unit)
        colour = tokens @ self.colours.T * (SHARPNESS / unit)
        return kind, colour, (tokens @ self.centre.T)[..., 0] / unit


class Heads(nn.Module):
    """Auxiliary heads, dropped after training."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.vision_width
        self.norm = nn.LayerNorm(width)
        self.outline = nn.Linear(width, MASK_SIDE * MASK_SIDE)
        self.offset = nn.Linear(width, 2)
        self.column = nn.Linear(shape.text_width, COLUMN_BINS)


class Pupil(nn.Module):
    """The model with everything that is only there to teach it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.network = DemoModel(shape)
        self.heads = Heads(shape)
        self.codebook = Codebook(shape.text_width)

    @torch.no_grad()
    def align(self, vocabulary: Vocabulary) -> None:
        """Move the words for kinds and colours, read or said, towards their codes.

        To find "the red one", a word then need only be compared with what is seen, in one way for
        all words, instead of each pair being learnt.
        """
        named = zip((*KINDS, *COLOURS, "grey"), self._word_codes(), strict=True)
        for word, code in named:
            for form in (word, f" {word}", word.capitalize(), f"{word}s", f" {word}s"):
                tokens = vocabulary.encode_answer(form)
                if len(tokens) == 1:
                    self.network.model.embed_tokens.weight[tokens[0]] += code
                    self.network.lm_head.weight[tokens[0]] += WORD_LOGIT * code

    def _word_codes(self) -> list[Tensor]:
        colours = self.codebook.colours[:NO_COLOUR]
        return [*self.codebook.kinds[:BACKGROUND], *colours, colours[COLOURS.index("gray")]]

    def see(self, batch: Tensors) -> tuple[Tensor, Tensor]:
        """Image tokens and patch states of a batch's pictures."""
        pixels = batch["pictures"].permute(0, 3, 1, 2).float() / 255
        patches = patchify((pixels - PIXEL_MEAN) / PIXEL_STD)
        return self.network.visual(patches, 2 * int(batch["rows"]), 2 * int(batch["columns"]))

    def imagine(self, batch: Tensors, *, noise: float = 0.15) -> Tensor:
        """Image tokens straight from the labels, imperfect as the vision tower's will be."""
        tokens = self.codebook.tokens(batch)
        missed = (torch.rand_like(batch["centre"]) < 0.1) & (batch["centre"] < 0.05)
        nothing = self.codebook.kinds[BACKGROUND] + self.codebook.colours[NO_COLOUR]
        tokens = torch.where(missed[..., None], nothing, tokens)
        return tokens + noise * torch.randn_like(tokens)

    def answer(self, batch: Tensors, image_tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, T, vocabulary) and the states between the text layers."""
        slots = image_slots(batch, image_tokens.shape[1])
        embedded = self.network.embed(batch["tokens"], slots, image_tokens)
        states, between = self.network.model(embedded, batch["positions"], branch_mask(batch))
        return self.network.lm_head(states), between


def image_slots(batch: Tensors, count: int) -> Tensor:
    """True where a token stands for a piece of the picture: the only run with unequal axes."""
    time, row, column = batch["positions"]
    in_prefix = batch["branch"] == 0
    # The picture's first token has equal axes too; it follows from the others.
    unequal = ((time != row) | (time != column)) & in_prefix
    first = unequal.float().argmax(dim=1) - 1
    index = torch.arange(batch["tokens"].shape[1], device=first.device)
    return (index >= first[:, None]) & (index < first[:, None] + count)


def branch_mask(batch: Tensors) -> Tensor:
    """(B, 1, T, T), 0 or minus infinity: earlier tokens of the prefix and of one's own branch."""
    branch = batch["branch"]
    count = branch.shape[1]
    causal = torch.ones(count, count, dtype=torch.bool, device=branch.device).tril()
    own = (branch[:, :, None] == branch[:, None, :]) | (branch[:, None, :] == 0)
    # Additive, because attention would convert a boolean mask anew in every layer.
    return torch.zeros_like(own, dtype=torch.float32).masked_fill_(~(own & causal), -torch.inf)[
        :, None
    ]


def vision_loss(pupil: Pupil, batch: Tensors, tokens: Tensor, patches: Tensor) -> Tensor:
    """How far the vision tower is from what the labels say."""
    kind, colour, centre = pupil.codebook.read(tokens)
    taught = batch["taught"]
    on_shape = taught * (batch["kind"] != BACKGROUND)
    kind_loss = F.cross_entropy(kind.flatten(0, 1), batch["kind"].flatten(), reduction="none")
    colour_loss = F.cross_entropy(colour.flatten(0, 1), batch["colour"].flatten(), reduction="none")
    centre_logit = SHARPNESS * (centre - 0.5)
    centre_loss = F.binary_cross_entropy_with_logits(
        centre_logit, batch["centre"], reduction="none"
    )
    weight = (taught * (1 + 2 * on_shape + 3 * batch["centre"])).flatten()
    total = weight.sum()
    loss = ((kind_loss + 0.7 * colour_loss + centre_loss.flatten()) * weight).sum() / total
    wanted = pupil.codebook.tokens(batch)
    apart = (tokens - wanted).square().mean(-1) / CODE_SIZE**2
    loss = loss + 0.3 * (apart.flatten() * weight).sum() / total
    states = pupil.heads.norm(patches)
    outline = F.binary_cross_entropy_with_logits(pupil.heads.outline(states), batch["mask"])
    way = (pupil.heads.offset(states) - batch["offset"]).abs().sum(-1)
    way = (way * batch["inside"]).sum() / batch["inside"].sum().clamp(min=1)
    return loss + outline + 0.3 * way


def language_loss(
    pupil: Pupil, batch: Tensors, image_tokens: Tensor, *, column_weight: float
) -> Tensor:
    """Next-token loss on the answers, and image tokens' knowledge of their column."""
    logits, between = pupil.answer(batch, image_tokens)
    loss = answer_loss(logits, batch) + 0.5 * finding_loss(pupil, batch, between)
    if column_weight == 0:
        return loss
    return loss + column_weight * column_loss(pupil, batch, between, image_tokens.shape[1])


def answer_loss(logits: Tensor, batch: Tensors) -> Tensor:
    """Next-token loss on the answers."""
    learnt = batch["target"] != NO_TARGET
    losses = F.cross_entropy(logits[learnt], batch["target"][learnt], reduction="none")
    weight = batch["weight"][learnt]
    return (losses * weight).sum() / weight.sum()


def column_loss(pupil: Pupil, batch: Tensors, between: list[Tensor], count: int) -> Tensor:
    """Whether the picture's tokens know early which column they are in."""
    columns = int(batch["columns"])
    states = between[COLUMN_LAYER][image_slots(batch, count)].view(len(batch["kind"]), count, -1)
    column = torch.arange(count, device=states.device) % columns
    wanted = ((column + 0.5) * COLUMN_BINS / columns).long().expand(states.shape[0], -1)
    guess = pupil.heads.column(F.layer_norm(states, states.shape[-1:]))
    return F.cross_entropy(guess.flatten(0, 1), wanted.flatten())


def finding_loss(pupil: Pupil, batch: Tensors, between: list[Tensor]) -> Tensor:
    """Whether one head looks, while answering, at the shape that is asked about.

    Left to itself, this way of finding things emerges only after very many examples.
    """
    count = batch["kind"].shape[1]
    logits = _attention_logits(pupil, batch, between[FINDING_LAYER - 1])
    places = image_slots(batch, count)
    owner = batch["owner"][..., None] == torch.arange(3, device=places.device)
    # (B, branches, N): the image tokens to find; then for every token of that branch.
    wanted = torch.einsum("bks,bns->bkn", batch["about"].float(), owner.float()) > 0
    rows = torch.arange(len(wanted), device=places.device)[:, None]
    wanted = wanted[rows, (batch["branch"] - 1).clamp(min=0)]  # (B, T, N)
    use = (batch["target"] != NO_TARGET) & wanted.any(-1)
    if not bool(use.any()):
        return logits.new_zeros(())
    shares = logits.log_softmax(-1)
    over = places[:, None, None, :].expand_as(shares)
    to_image = shares[over].view(*shares.shape[:3], count)
    to_image = to_image.masked_fill(~wanted[:, None], -30.0).logsumexp(-1)
    return -to_image.transpose(1, 2)[use].mean()


def _attention_logits(pupil: Pupil, batch: Tensors, states: Tensor) -> Tensor:
    """Of the finding layer's head of that number: (B, 1, T, T)."""
    model = pupil.network.model
    layer = model.layers[FINDING_LAYER]
    cos, sin = model.rotary(batch["positions"])
    width = model.shape.text_width // model.shape.text_heads
    normed = layer.input_layernorm(states)

    def turned(projection: nn.Linear) -> Tensor:
        rows = slice(FINDING_HEAD * width, (FINDING_HEAD + 1) * width)
        part = F.linear(normed, projection.weight[rows], projection.bias[rows])
        return rotate(part[:, None], cos, sin)

    logits = turned(layer.self_attn.q_proj) @ turned(layer.self_attn.k_proj).transpose(2, 3)
    return logits * width**-0.5 + branch_mask(batch)


def right_answers(logits: Tensor, batch: Tensors) -> dict[str, tuple[int, int]]:
    """Per kind of question: how many answers greedy decoding gives word for word, of how many.

    Every token's most likely value given a right beginning is right if and only if greedy
    decoding gives the whole answer.
    """
    wrong = (logits.argmax(-1) != batch["target"]) & (batch["target"] != NO_TARGET)
    kinds = batch["kinds"]
    counts = torch.zeros(kinds.shape[0], kinds.shape[1] + 1, device=kinds.device)
    counts.scatter_add_(1, batch["branch"].clamp(min=0), wrong.float())
    right = counts[:, 1:] == 0
    return {
        kind: (int(right[kinds == index].sum()), int((kinds == index).sum()))
        for index, kind in enumerate(ALL_KINDS)
        if bool((kinds == index).any())
    }


def right_tokens(pupil: Pupil, batch: Tensors, tokens: Tensor) -> dict[str, tuple[int, int]]:
    """How often the vision tower is right: kind and colour at centres, and how many centres."""
    kind, colour, centre = pupil.codebook.read(tokens)
    at = batch["centre"] > 0.7
    found = ((centre > 0.5) == (batch["centre"] > 0.5)) | (
        (batch["centre"] > 0.2) & (batch["centre"] < 0.8)
    )
    return {
        "kind": (int((kind.argmax(-1) == batch["kind"])[at].sum()), int(at.sum())),
        "colour": (int((colour.argmax(-1) == batch["colour"])[at].sum()), int(at.sum())),
        "centres": (int(found.all(1).sum()), len(found)),
    }
