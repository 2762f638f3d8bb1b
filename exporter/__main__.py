"""`python -m exporter` is `openai-usage-exporter`."""

import sys

from exporter.cli import main

sys.exit(main())
