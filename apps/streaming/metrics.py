"""Prometheus metrics of the media path, one process's own."""

from prometheus_client import Counter, Gauge, Histogram

STREAMS_CONNECTED = Gauge("qwencam_streams_connected", "Peer connections that deliver frames.")
OFFERS = Counter("qwencam_offers", "WebRTC offers by outcome code.", ["outcome"])
DATAGRAMS_DROPPED = Counter(
    "qwencam_datagrams_dropped",
    "Datagrams at streams' UDP ports that were not taken, by reason.",
    ["reason"],
)
FRAMES_RECEIVED = Counter("qwencam_frames_received", "Frames decoded.")
FRAMES_DROPPED = Counter(
    "qwencam_frames_dropped", "Frames dropped undecoded: the decoder fell behind or lost its base."
)
FRAMES_REFUSED = Counter("qwencam_frames_refused", "Frames refused for their size, undecoded.")
FRAMES_DAMAGED = Counter("qwencam_frames_damaged", "Frames that the decoder could not read.")
CAPTURE_WAIT = Histogram(
    "qwencam_capture_wait_seconds",
    "Wait for a fresh frame when one was asked for.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
FRAME_AGE = Histogram(
    "qwencam_frame_age_seconds",
    "Age of the frame handed out, from its capture.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5),
)
SNAPSHOT_DURATION = Histogram(
    "qwencam_snapshot_seconds",
    "From the wish for a frame to the filtered, encoded frame.",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
