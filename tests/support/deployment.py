"""What deployment files are compared with: the tree, the settings, the Dockerfile."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from exporter.settings import Settings, load

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
COMMAND: Final = "openai-usage-exporter"
USER: Final = 65532
STATE: Final = "/var/lib/openai-usage-exporter"
PORT: Final = 10180


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile."""

    stage: int
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words of the text; those of the exec form are JSON."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return shlex.split(self.text)

    @property
    def assignments(self) -> dict[str, str]:
        """The pairs of ENV and LABEL."""
        return dict(word.split("=", 1) for word in self.words)


def dockerfile() -> list[Instruction]:
    """Return the instructions of the Dockerfile, in order."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found, stage = [], -1
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, text = line.partition(" ")
        stage += name == "FROM"
        found.append(Instruction(stage, name, text.strip()))
    return found


def only(name: str, stage: int) -> Instruction:
    """Return the sole instruction of this name in a stage."""
    (found,) = [each for each in dockerfile() if (each.name, each.stage) == (name, stage)]
    return found


def documents(folder: Path) -> Iterator[tuple[Path, Any]]:
    """Yield every YAML document of a folder."""
    for file in sorted(folder.glob("*.y*ml")):
        for document in yaml.safe_load_all(file.read_text()):
            yield file, document


def settings_of(command: list[str], environ: Mapping[str, str], key: Path) -> Settings:
    """Load the settings as a deployment gives them; the file with the key is where it is here.

    Raises SettingsError for a flag or variable that does not exist.
    """
    given = dict(environ)
    assert "OPENAI_ADMIN_KEY_FILE" in given
    given["OPENAI_ADMIN_KEY_FILE"] = str(key)
    return load(command[0], command[1:], given)
