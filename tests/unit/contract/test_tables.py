"""What clients read about errors is what the code says: codes, statuses and close codes."""

import re

import pytest

from apps.contract import CloseCode, ErrorCode, Refusal
from tests.stack import ROOT

PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
NO_CODES = {"id", "detail"}
"""Fields that the table of the error codes speaks of."""


def rows(document: str, *, after: str) -> list[list[str]]:
    """Return the cells of the first table after a text, without its head."""
    table = re.search(r"(?:^\|.*\n)+", document[document.index(after) :], re.MULTILINE)
    assert table is not None
    lines = [line.strip().strip("|") for line in table[0].splitlines()]
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def quoted(cell: str) -> list[str]:
    """Return what a cell has in code font that could be an error code."""
    return re.findall(r"`([a-z_]+)`", cell)


def test_every_error_code_is_in_the_protocols_table():
    told = [code for row in rows(PROTOCOL, after="## Error codes") for code in quoted(row[1])]
    codes = [code for code in told if code not in NO_CODES]
    assert len(codes) == len(set(codes))
    assert set(codes) == set(ErrorCode)


@pytest.mark.parametrize("row", rows(PROTOCOL, after="## Error codes"), ids=lambda row: row[0])
def test_the_protocols_table_has_the_statuses(row: list[str]):
    told = re.search(r"\(HTTP: ([\d, ]+)\)", row[0])
    codes = [ErrorCode(code) for code in quoted(row[1]) if code not in NO_CODES]
    statuses = {code.status for code in codes} - {None}
    assert {int(status) for status in told[1].split(", ")} == statuses if told else not statuses


def test_every_close_code_is_in_the_protocols_table():
    told = [
        int(code)
        for row in rows(PROTOCOL, after="| the socket closes with |")
        for code in row[0].split(", ")
    ]
    assert sorted(told) == sorted(CloseCode)


def test_the_sentence_about_errors_before_a_close_is_true():
    (sentence,) = re.findall(r"^Before (.+) comes an `error`", PROTOCOL, re.MULTILINE)
    told = {int(code) for code in re.findall(r"\d{4}", sentence)}
    assert told <= {code.close for code in ErrorCode}


@pytest.mark.parametrize("row", rows(SECURITY, after="## Limits"), ids=lambda row: row[0][:50])
def test_the_limits_have_their_codes_statuses_and_close_codes(row: list[str]):
    for code, status in re.findall(r"`([a-z_]+)`(?: \((\d+)\))?", row[3]):
        known = ErrorCode(code)
        assert not status or known.status == int(status)
    for close in re.findall(r"close (\d{4})", row[3]):
        codes = [ErrorCode(code) for code in quoted(row[3])]
        assert CloseCode(int(close)) in {code.close for code in codes} | {
            CloseCode.GOING_AWAY,
            CloseCode.IDLE,
        }


def test_a_code_is_a_text_with_a_status():
    assert f"{ErrorCode.OFFER_TOO_LARGE}" == "offer_too_large"
    assert ErrorCode("offer_too_large") is ErrorCode.OFFER_TOO_LARGE
    assert ErrorCode.OFFER_TOO_LARGE.status == 413
    assert ErrorCode.BUSY.status is None


def test_a_refusal_is_its_sentence():
    refusal = Refusal(ErrorCode.BUSY, "Try again in 5 seconds.", id="q")
    assert (str(refusal), refusal.code, refusal.id) == ("Try again in 5 seconds.", "busy", "q")
    assert refusal.as_dict() == {"error": "busy", "detail": "Try again in 5 seconds."}
