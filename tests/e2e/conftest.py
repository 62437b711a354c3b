"""The whole platform with the real vLLM and the demo checkpoint, once for all end-to-end tests."""

from collections.abc import Iterator

import pytest

from tests.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What ``./scripts/quickstart.sh`` gives a newcomer, on a port of its own."""
    stack = Stack(
        tmp_path_factory.mktemp("full") / "data",
        MAX_SESSIONS_PER_USER="100",
        TOKEN_REQUESTS_PER_MINUTE="1000",
        MAX_QUESTIONS_PER_MINUTE="1000",
    )
    stack.start(patience=900)
    yield stack
    assert stack.stop() == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as end to end."""
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)
