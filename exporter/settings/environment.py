"""Variables under the prefix that are no setting; the library would pass over them in silence."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from exporter.settings.errors import Problem
from exporter.settings.model import PREFIX
from exporter.settings.options import Option

_SERVICE_LINK: Final = re.compile(
    rf"{PREFIX}(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_PROTO|_PORT|_ADDR)?)"
)


def unknown_variables(known: Iterable[Option], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each variable under the prefix that sets nothing; values are not repeated."""
    table = {leaf.variable: leaf for leaf in known if leaf.source != "flag"}
    for name in sorted(environ):
        if not name.upper().startswith(PREFIX):
            continue
        leaf = table.get(name)
        if leaf is None:
            yield Problem(name, _words(name, table))
        elif leaf.source == "file":
            yield Problem(name, f"{leaf.dotted} can be set in the YAML file only: name it with {PREFIX}CONFIG__FILE")


def _words(name: str, table: Mapping[str, Option]) -> str:
    if _SERVICE_LINK.fullmatch(name):
        return (
            "unknown setting; Kubernetes makes such variables for a Service of the name openai-exporter: "
            "set enableServiceLinks: false in the pod, or rename the Service"
        )
    if members := [variable for variable in table if variable.startswith(name.upper() + "__")]:
        return f"sets a whole section: set its members one by one, such as {members[0]}"
    names = {variable.removeprefix(PREFIX): variable for variable in table}
    near = get_close_matches(name.upper().removeprefix(PREFIX), names, n=1, cutoff=0.65)
    return (
        f"unknown setting; did you mean {names[near[0]]}?"
        if near
        else "unknown setting: correct its name, or remove it"
    )
