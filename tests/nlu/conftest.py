"""One Rasa server and one stand-in action server for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rasa_harness import MODEL, RASA, Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Rasa's environment or a trained model where it is missing."""
    for item in items:
        mark = item.get_closest_marker("rasa")
        if mark is None or Path(__file__).parent not in item.path.parents:
            continue
        if not RASA.is_file():
            item.add_marker(pytest.mark.skip(reason="no Rasa environment (.venv-rasa); make setup makes it"))
        elif mark.kwargs.get("model", True) and not (MODEL / "tthc.tar.gz").is_file():
            item.add_marker(
                pytest.mark.skip(reason=f"no trained model in {MODEL}: python -m nlu.launcher train --out {MODEL}")
            )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a running server."""
    server = Server(tmp_path_factory.mktemp("rasa"))
    try:
        server.start()
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        server.actions.terminate()
        server.actions.wait(10)
