"""What all tests share."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder that holds the real stacks (data/) and the reference arrays (reference/)."""
    folder = Path(os.environ.get("BIGSTACK_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real stacks are not at {folder} (set BIGSTACK_SHARED to the folder that holds data/)")
    return folder
