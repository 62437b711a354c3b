"""The tokenizer: byte-level BPE with Qwen's special tokens and chat template.

Text is lower-cased before it is split, so "RED", "Red" and "red" are one token and the tiny
language model need not learn letter case. Answers keep theirs: they are encoded for training
without that step, and decoding is exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

MIN_PIXELS = 18816  # a 64x64 image becomes 140x140
MAX_PIXELS = 35280  # 640x480 becomes 196x140, 1280x720 becomes 224x140
PIXEL_MEAN = 0.5
PIXEL_STD = 0.25

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}"
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' or 'video' in content %}"
    "<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(questions: Iterable[str], answers: Iterable[str], *, size: int) -> Tokenizer:
    """Train the byte-level BPE on lower-cased questions and on answers as they are spoken."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    corpus = [text.lower() for text in questions]
    corpus.extend(answers)
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


@dataclass(frozen=True)
class Vocabulary:
    """A trained tokenizer with the two ways it is used in training."""

    tokenizer: Tokenizer
    exact: Tokenizer

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Vocabulary:
        """Pair the tokenizer with a copy that keeps letter case."""
        exact = Tokenizer.from_str(tokenizer.to_str())
        exact.normalizer = normalizers.NFC()
        return cls(tokenizer, exact)

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """Read tokenizer.json of a checkpoint."""
        return cls.of(Tokenizer.from_file(str(folder / "tokenizer.json")))

    @property
    def size(self) -> int:
        """Number of tokens, special ones included."""
        return self.tokenizer.get_vocab_size(with_added_tokens=True)

    def identifier(self, token: str) -> int:
        """The number of one token."""
        number = self.tokenizer.token_to_id(token)
        if number is None:
            raise KeyError(token)
        return number

    def encode(self, text: str) -> list[int]:
        """Tokens of a prompt, as the server makes them."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def encode_answer(self, text: str) -> list[int]:
        """Tokens of an answer to be learnt, letter case kept."""
        return self.exact.encode(text, add_special_tokens=False).ids

    def decode(self, tokens: list[int]) -> str:
        """Text of generated tokens, special ones left out."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True)

    def write(self, folder: Path) -> None:
        """Write tokenizer.json, tokenizer_config.json and the chat template."""
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        settings = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "processor_class": "Qwen2_5_VLProcessor",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
            "clean_up_tokenization_spaces": False,
            "model_max_length": 32768,
        }
        text = json.dumps(settings, indent=2) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
        (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
