"""What holds for the whole suite."""

import os
from pathlib import Path

from hypothesis import settings

# Processes that tests start need not compile every module again, even where the environment says so.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(__file__).parents[1] / ".pytest_cache" / "pycache"))

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")
