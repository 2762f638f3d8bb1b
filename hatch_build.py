"""Puts the files that `openai-usage-exporter assets` writes into the wheel, from where they are in the repository."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the files that match `patterns`, as `exporter/assets/<path in the repository>`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Do so for a wheel; an editable installation reads the repository."""
        if version == "editable":
            return
        root = Path(self.root)
        for pattern in self.config["patterns"]:
            for path in sorted(root.glob(pattern)):
                if path.is_file() and "secrets" not in path.parts:
                    build_data["force_include"][str(path)] = f"exporter/assets/{path.relative_to(root)}"
