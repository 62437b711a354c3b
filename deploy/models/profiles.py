"""What differs between model families as we serve them: by ``architectures`` in ``config.json``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Coordinates = Literal["resized pixels", "0 to 1000", "none"]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A family of models.

    Attributes:
        name: of the family, for people.
        architectures: vLLM's classes.
        token_edge: an image costs one token for each square of so many pixels a side.
        coordinates: in what unit it says where something is. ``resized pixels`` are those of the
            image as its processor has resized it, not of the one that was sent.
        thinks: it writes its thoughts before the answer unless told not to; 128 tokens of an answer
            would hold nothing else.
        bounds_pixels: its image processor takes ``max_pixels``.
        takes_video: it knows videos, so their number has to be bounded too.
        splits_encoder: its image encoder can be given whole images by each GPU, which is quicker
            than a slice of every image.
        most_sequences: how many answers a GPU works on at once, where vLLM's default is too many.
        image_options: of its image processor, always given.
        aiter_attention: vLLM's attention with AMD's AITER kernels. It must be named, since vLLM
            takes its general one even with them.
    """

    name: str
    architectures: tuple[str, ...]
    token_edge: int
    coordinates: Coordinates
    thinks: bool = False
    bounds_pixels: bool = True
    takes_video: bool = True
    splits_encoder: bool = True
    most_sequences: int | None = None
    image_options: tuple[tuple[str, bool | int], ...] = ()
    aiter_attention: str = "ROCM_AITER_FA"

    @property
    def pixels_per_token(self) -> int:
        """Pixels of an image that make one token."""
        return self.token_edge**2


PROFILES: Final = (
    Profile(
        name="Qwen2.5-VL",
        architectures=("Qwen2_5_VLForConditionalGeneration",),
        token_edge=28,
        coordinates="resized pixels",
    ),
    Profile(
        name="Qwen2-VL",
        architectures=("Qwen2VLForConditionalGeneration",),
        token_edge=28,
        coordinates="0 to 1000",
    ),
    Profile(
        name="Qwen3-VL",
        architectures=("Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration"),
        token_edge=32,
        coordinates="0 to 1000",
    ),
    Profile(
        # Qwen3.6 is of this architecture as well. Its linear attention keeps a state for each
        # sequence that may run at once: vLLM's 1024 took more than a card of 192 GB had left, and
        # the unified kernel was the quicker one (vllm-project/vllm#56945).
        name="Qwen3.5",
        architectures=("Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration"),
        token_edge=32,
        coordinates="0 to 1000",
        thinks=True,
        most_sequences=64,
        aiter_attention="ROCM_AITER_UNIFIED_ATTN",
    ),
    Profile(
        # One tile of 512 pixels is 64 tokens. By itself it blows an image up to 16 tiles and more.
        name="SmolVLM",
        architectures=("Idefics3ForConditionalGeneration", "SmolVLMForConditionalGeneration"),
        token_edge=64,
        coordinates="none",
        bounds_pixels=False,
        takes_video=False,
        splits_encoder=False,
        image_options=(("do_image_splitting", False),),
    ),
)


def profile_of(architectures: Sequence[str]) -> Profile | None:
    """Return the profile of the first architecture that has one; None: as vLLM does by itself."""
    for architecture in architectures:
        for profile in PROFILES:
            if architecture in profile.architectures:
                return profile
    return None
