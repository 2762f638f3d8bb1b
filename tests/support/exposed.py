"""What a scrape says, as numbers to compare with."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.samples import Sample

Labels = tuple[tuple[str, str], ...]


@dataclass
class Exposed:
    """The body of an answer to a scrape."""

    text: str

    @cached_property
    def lines(self) -> dict[str, list[str]]:
        """The lines of samples by metric name."""
        found: dict[str, list[str]] = {}
        for line in self.text.splitlines():
            if not line.startswith("#"):
                found.setdefault(line.partition(" ")[0].partition("{")[0], []).append(line)
        return found

    def samples(self, name: str) -> list[Sample]:
        """Return the samples of a name, as the library's parser reads them."""
        lines = self.lines.get(name, ())
        return [sample for line in lines for family in parse(f"{line}\n") for sample in family.samples]

    def series(self, name: str, **labels: str) -> dict[Labels, float]:
        """Return the samples of a name that have these labels: the other labels, sorted, and the value."""
        return {
            tuple(sorted(pair for pair in sample.labels.items() if pair[0] not in labels)): sample.value
            for sample in self._matching(name, labels)
        }

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Return the samples of a name that have these labels, by the value of one label that identifies them."""
        found = {sample.labels[label]: sample.value for sample in self._matching(name, labels)}

        assert len(found) == len(list(self._matching(name, labels)))
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """Return the only sample of a name that has these labels, None when there is none."""
        found = [sample.value for sample in self._matching(name, labels)]

        assert len(found) <= 1, f"{len(found)} samples of {name} {labels}"
        return found[0] if found else None

    def sum(self, name: str, **labels: str) -> float:
        """Return the sum over the samples of a name that have these labels."""
        return sum(sample.value for sample in self._matching(name, labels))

    def _matching(self, name: str, labels: dict[str, str]) -> Iterator[Sample]:
        for sample in self.samples(name):
            if labels.items() <= sample.labels.items():
                yield sample
