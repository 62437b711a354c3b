"""A finding that complains says how to mend it, and no other does."""

import pytest

from apps.maintenance.doctor.findings import Finding, failed, warning


@pytest.mark.parametrize("status", ["warning", "failed"])
def test_a_complaint_without_advice_can_not_be_made(status):
    with pytest.raises(ValueError, match="how to mend"):
        Finding(status=status, found="It is broken.")


@pytest.mark.parametrize("status", ["ok", "skipped"])
def test_advice_without_complaint_can_not_be_made(status):
    with pytest.raises(ValueError, match="how to mend"):
        Finding(status=status, found="All is well.", mend="Do something.")


def test_complaints():
    assert failed("a", mend="b") == Finding(status="failed", found="a", mend="b")
    assert warning("a", mend="b").status == "warning"
