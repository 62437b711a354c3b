"""Prometheus metrics of the privacy filters, one process's own."""

from prometheus_client import Counter, Histogram

FRAMES_FILTERED = Counter(
    "qwencam_frames_filtered",
    "Frames that a privacy filter looked at: passed, changed, refused or failed (dropped).",
    ["filter", "outcome"],
)
FILTER_DURATION = Histogram(
    "qwencam_filter_seconds",
    "One privacy filter's time for one frame, its model's loading included.",
    ["filter"],
    buckets=(0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

# There from the start: to Prometheus an increase from nothing is none.
for _filter in ("face_blur", "nsfw"):
    FRAMES_FILTERED.labels(_filter, "failed")
