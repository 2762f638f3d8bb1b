"""`make drift`: prints every difference, and exits with 1 where there is one."""

import sys

import openai

from drift.compare import differences


def main() -> int:
    """Return the exit status."""
    found = list(differences())
    for difference in found:
        sys.stdout.write(f"{difference}\n")
    sys.stdout.write(f"{len(found)} differences between the tables and openai {openai.__version__}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
