"""Prometheus metrics of the console."""

from prometheus_client import Counter

AUDIT_FAILED = Counter("qwencam_audit_failed", "Audit entries that could not be written.")
