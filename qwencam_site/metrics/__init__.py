"""What Prometheus is shown: a page of each web process, and one of each worker."""

from prometheus_client import disable_created_metrics

# A series more for each counter, of which nothing here makes use.
disable_created_metrics()  # type: ignore[no-untyped-call]
