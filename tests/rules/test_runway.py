"""The alert on prepaid credit, through the real promtool."""

from pathlib import Path

from tests.support.promtool import RULES, Replay

HOUR = 3600
_RULES = tuple(path for path in RULES if path.stem in {"thresholds", "owners", "alerts"})
LOW = "OpenAIPrepaidCreditLow"


def test_prepaid_credit_notifies_in_its_last_week_and_pages_in_its_last_days(tmp_path: Path) -> None:
    """Credit that lasts 7.5 days is nobody's concern, 6 days are a warning, 1.5 are critical; a top-up ends both."""
    replay = Replay(tmp_path, rules=_RULES)
    days = [7.5] * 36 + [6.0] * 36 + [1.5] * 36 + [30.0] * 37
    replay.add("openai_exporter_up", {"organization": "acme"}, [1.0] * len(days))
    replay.add("openai_prepaid_runway_days", {"organization": "acme"}, days)

    assert set() == _low(replay, 2 * HOUR)
    assert set() == _low(replay, 3 * HOUR + 1800)
    assert {"warning"} == _low(replay, 5 * HOUR)
    assert {"warning", "critical"} == _low(replay, 8 * HOUR)
    assert set() == _low(replay, 11 * HOUR)


def test_an_organization_without_prepaid_credit_is_left_alone(tmp_path: Path) -> None:
    """No balance in the settings, no series, no alert."""
    replay = Replay(tmp_path, rules=_RULES)
    replay.add("openai_exporter_up", {"organization": "acme"}, [1.0] * 60)

    assert set() == _low(replay, 4 * HOUR)


def _low(replay: Replay, at: int) -> set[str]:
    return {severity for alert, severity, *_ in replay.firing(at) if alert == LOW}
