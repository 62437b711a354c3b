"""What Prometheus is shown: a page of each web process, and one of each worker."""
