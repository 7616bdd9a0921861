"""What all tests share."""

import os
import shutil
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


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    found = next(
        (path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None
    )
    driver = shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip("Chromium and its driver are not installed (Debian: chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1280,900",
                 "use-gl=angle", "use-angle=swiftshader", "enable-unsafe-swiftshader"):  # fmt: skip
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()
