"""`assets`: placeholder."""

from exporter.settings import AssetsSettings


def execute(settings: AssetsSettings) -> int:
    """Write the assets."""
    raise NotImplementedError(settings.directory)
