"""What the tests of the image wing share."""

from pathlib import Path

import pytest


@pytest.fixture
def csv(tmp_path):
    def write(text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write
