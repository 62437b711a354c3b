"""Bytes as people read them."""

import pytest

from deploy.models.amounts import amount


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (8_029_448, "8.0 MB"),
        (66_905_436_672, "66.9 GB"),
        (205_972_570_112, "206 GB"),
    ],
)
def test_amounts(count, said):
    assert amount(count) == said
