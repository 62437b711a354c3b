"""What is said of memory over a long time: a leak is seen, a filling cache is not one."""

from deploy.benchmark.scenarios import slope_per_hour


def samples(*memory: float) -> list[dict[str, float]]:
    return [{"minute": minute, "memory_mb": mb} for minute, mb in enumerate(memory, start=1)]


def test_a_leak_is_a_slope():
    assert slope_per_hour(samples(*(100 + 0.5 * minute for minute in range(20))), "memory_mb") == 30


def test_what_fills_at_first_is_no_leak():
    assert slope_per_hour(samples(50, 60, 70, 80, 80, 80, 80, 80), "memory_mb") == 0


def test_too_little_says_nothing():
    assert slope_per_hour(samples(1, 2, 3), "memory_mb") is None
