"""The same environments and the same kit as the integration tests have."""

from pathlib import Path

import pytest

from tests.integration.conftest import cache, kit, smoke, tokenizer

__all__ = ["cache", "kit", "smoke", "tokenizer"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
