"""From metrics pages to numbers, by pages that prometheus_client wrote."""

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from deploy.monitor.exposition import MetricsPage, parse
from deploy.monitor.measurement import Between, Percentiles, quantile


class Server:
    """A process with metrics of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.errors = Counter("errors", "E.", ["code"], registry=self.registry)
        self.servers = Gauge("up", "U.", ["server"], registry=self.registry)
        self.times = Histogram("t", "T.", buckets=(0.1, 0.2, 0.4), registry=self.registry)

    def page(self, at: float) -> MetricsPage:
        return parse(generate_latest(self.registry).decode(), at=at)


def test_a_page_is_read_with_all_that_a_label_may_hold():
    server = Server()
    odd = 'a "b" \\ {c="d"}, e\nf'
    server.servers.labels(odd).set(1)
    server.servers.labels("[::1]:8000").set(2)
    page = server.page(1.0)
    shown = odd.replace("\n", " ")
    assert page.by_label("up", "server") == {shown: 1, "[::1]:8000": 2}
    assert page.value("up") == 3
    assert page.value("nothing") is None
    assert page.by_label("up", "other") == {}


def test_what_is_no_sample_is_passed_over():
    text = '# HELP a b\n\na 1\nb{c="d"} x\n<html>\nc 2 1700000000\nd NaN\n'
    text += "e -Inf\nf +Inf\ng 1e308\n"
    page = parse(text, at=0)
    assert (page.value("a"), page.value("c"), page.value("b")) == (1, 2, None)
    assert [page.value(name) for name in "defg"] == [None] * 4


def test_no_label_steers_a_terminal():
    page = parse('up{server="a\x1b]52;c;eA==\x1b\\\\b\x9b2J"} 1\n', at=0)
    assert page.by_label("up", "server") == {"a ]52;c;eA== \\b 2J": 1}


@pytest.mark.parametrize("labels", ["a" * 2_000_000, 'a="' * 500_000, 'a="b",' * 300_000 + "c"])
def test_a_line_without_an_end_takes_no_end_of_time(labels):
    assert parse(f"x{{{labels}}} 1\n", at=0).value("x") == 1


def test_bounds_that_are_none_are_passed_over():
    text = "".join(f't_bucket{{le="{le}"}} 5\n' for le in ("abc", "nan", "-inf", "1", "+Inf"))
    times = Between(now=parse(text, at=1), before=None).percentiles("t")
    assert times.count == 5
    assert 0 < times.p50 <= 1


def test_increases_and_rates_between_two_scrapes():
    server = Server()
    server.errors.labels("busy").inc(3)
    before = server.page(10.0)
    server.errors.labels("busy").inc(2)
    server.errors.labels("no_frame").inc()
    between = Between(now=server.page(20.0), before=before)
    assert between.increase_by_label("errors_total", "code") == {"busy": 2, "no_frame": 1}
    assert between.increase("errors_total") == 3
    assert between.per_second("errors_total") == pytest.approx(0.3)
    assert between.per_second("nothing") is None


def test_a_restarted_server_counts_from_nothing():
    old, new = Server(), Server()
    old.errors.labels("busy").inc(10)
    new.errors.labels("busy").inc(4)
    for _ in range(9):
        old.times.observe(0.3)
    new.times.observe(0.05)
    between = Between(now=new.page(20.0), before=old.page(10.0))
    assert between.increase("errors_total") == 4
    times = between.percentiles("t")
    assert times.count == 1
    assert times.p99 <= 0.1


def test_without_an_earlier_scrape_all_has_happened_since_the_start():
    server = Server()
    server.errors.labels("busy").inc(3)
    between = Between(now=server.page(20.0), before=None)
    assert between.increase("errors_total") == 3
    assert between.per_second("errors_total") is None
    assert between.seconds is None


def test_percentiles_are_those_of_what_came_between():
    server = Server()
    for _ in range(1000):
        server.times.observe(9)
    before = server.page(0.0)
    for _ in range(50):
        server.times.observe(0.05)
        server.times.observe(0.15)
    times = Between(now=server.page(1.0), before=before).percentiles("t")
    assert times == Percentiles(
        count=100, p50=pytest.approx(0.1), p95=pytest.approx(0.19), p99=pytest.approx(0.198)
    )
    assert Between(now=before, before=before).percentiles("t") == Percentiles(count=0)


def test_beyond_the_last_bound_a_quantile_is_that_bound():
    assert quantile({0.1: 0, 0.4: 1, math.inf: 10}, 0.95) == 0.4
    assert quantile({}, 0.5) is None
