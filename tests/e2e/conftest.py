"""One bot with the seed release for all dialogues, and the dialogue files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Bot, make_home, missing

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts the real processes; skip it with a reason where they cannot be had."""
    reason = missing()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """The bot; Rasa takes about ten seconds to come up."""
    bot = Bot(make_home(tmp_path_factory.mktemp("home")))
    bot.start()
    try:
        yield bot
    finally:
        bot.stop()
