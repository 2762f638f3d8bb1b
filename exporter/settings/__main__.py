"""`python -m exporter.settings` prints docs/settings.md."""

import sys

from exporter.settings import markdown

sys.stdout.write(markdown())
