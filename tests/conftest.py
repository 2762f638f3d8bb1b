"""What holds for the whole suite."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Processes that tests start need not compile every module again, even where the environment says so.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(__file__).parents[1] / ".pytest_cache" / "pycache"))

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start files with slow tests first, in the order of `testpaths`, so that the others fill the gaps.

    pytest itself drops that order where one of the paths contains another.
    """
    paths = [config.rootpath / path for path in config.getini("testpaths")]
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> tuple[bool, int]:
        within = (number for number, path in enumerate(paths) if item.path.is_relative_to(path))
        return item.path not in slow, next(within, len(paths))

    items.sort(key=place)
