"""Batches: the first token at once, then by time or size, nothing lost."""

from apps.chat.batching import BATCH_CHARS, BATCH_SECONDS, ReplyBatcher


def test_the_first_token_goes_out_at_once():
    assert ReplyBatcher().add("A", now=5.0) == "A"


def test_tokens_close_together_wait():
    batcher = ReplyBatcher()
    batcher.add("A", now=5.0)
    assert batcher.add(" red", now=5.001) == ""
    assert batcher.add(" star", now=5.001 + BATCH_SECONDS) == " red star"


def test_a_long_text_does_not_wait():
    batcher = ReplyBatcher()
    batcher.add("A", now=5.0)
    assert batcher.add("x" * BATCH_CHARS, now=5.001) == "x" * BATCH_CHARS


def test_nothing_is_lost_or_doubled():
    batcher = ReplyBatcher()
    tokens = [f"{number} " for number in range(2000)]
    sent = [batcher.add(token, now=index * 0.006) for index, token in enumerate(tokens)]
    assert "".join([*sent, batcher.flush()]) == "".join(tokens)
    assert batcher.flush() == ""
