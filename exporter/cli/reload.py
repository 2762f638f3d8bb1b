"""Reloading while running, at SIGHUP or POST /-/reload: the log level, key files and the web configuration."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Final

import structlog

from exporter.cli.logging import configure_logging
from exporter.redaction import redact
from exporter.settings import KeyFile, KeySource, KeyUnavailableError, Settings, SettingsError
from exporter.telemetry import Telemetry
from exporter.web import Security, WebConfigError

_RELOADABLE: Final = frozenset({"log", "organizations", "reread"})

_log = structlog.get_logger("exporter")


class Reloader:
    """Reads everything again that can change while running. What is broken stays as it was."""

    def __init__(self, settings: Settings, telemetry: Telemetry, now: Callable[[], float]) -> None:
        """`now` gives Unix seconds."""
        self._settings = settings
        self._telemetry = telemetry
        self._now = now
        self._errors: dict[str, str] = {}
        self._reloading = asyncio.Lock()
        self.security: Security | None = None
        """Of the server, once there is one."""
        self._count()

    def report_web_config(self, error: str) -> None:
        """Count a reload of the web configuration; `error` is empty where it succeeded."""
        self._errors["web_config"] = error
        self._count()

    def key_reader(self, key: KeySource) -> Callable[[], str]:
        """Return a function that reads the key: the last good one where its file has become unusable.

        That function raises KeyUnavailableError where there has never been a good one.
        """

        def read() -> str:
            try:
                text = key.read()
            except KeyUnavailableError as error:
                self._report_key(key, str(error))
                if isinstance(key, KeyFile) and key.last:
                    return key.last
                raise
            self._report_key(key, "")
            return text

        return read

    async def reload(self) -> str:
        """Reload and return what is wrong, empty where all is well."""
        async with self._reloading:
            self._errors["settings"] = await self._reload_settings()
            self._errors["web_config"] = self._reload_security()
            self._reload_keys()
            self._count()
            if error := "; ".join(dict.fromkeys(filter(None, self._errors.values()))):
                _log.error("config_reload_failed", error=error, advice="correct it; the last good version is in use")
            else:
                _log.info("config_reloaded")
            return redact(error)

    async def _reload_settings(self) -> str:
        try:
            fresh = await asyncio.to_thread(self._settings.reread)
        except SettingsError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - logged with its traceback
            return _unexpected(error)
        if fresh.log != self._settings.log:
            configure_logging(fresh.log)
        if changed := _needing_restart(self._settings, fresh):
            _log.warning("config_change_needs_restart", settings=changed)
        self._settings = dataclasses.replace(self._settings, log=fresh.log)
        return ""

    def _reload_keys(self) -> None:
        for organization in self._settings.organizations:
            for key in (organization.admin_key, organization.api_key):
                if isinstance(key, KeyFile):
                    try:
                        key.reload()
                    except KeyUnavailableError as error:
                        self._errors[key.origin] = str(error)
                    except Exception as error:  # noqa: BLE001 - logged with its traceback
                        self._errors[key.origin] = _unexpected(error)
                    else:
                        self._errors[key.origin] = ""

    def _report_key(self, key: KeySource, error: str) -> None:
        if self._errors.get(key.origin, "") == error:
            return
        self._errors[key.origin] = error
        self._count()
        if error:
            _log.error("key_file_rejected", error=error, advice="correct it; the last good key is in use")
        else:
            _log.info("key_file_reloaded", path=key.origin)

    def _reload_security(self) -> str:
        try:
            if self.security:
                self.security.reload()
        except WebConfigError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - logged with its traceback
            return _unexpected(error)
        return ""

    def _count(self) -> None:
        failed = any(self._errors.values())
        self._telemetry.config_last_reload_successful.set(0 if failed else 1)
        if not failed:
            self._telemetry.config_last_reload_success_timestamp_seconds.set(self._now())


def _unexpected(error: Exception) -> str:
    """Log an error that is a defect of the exporter, and return the reason that it gives."""
    _log.error("unexpected_error", exc_info=error)
    return f"{type(error).__name__}: {error}"


def _needing_restart(old: Settings, new: Settings) -> list[str]:
    """Return the settings that differ and cannot change while running."""
    changed = [
        field.name
        for field in dataclasses.fields(old)
        if field.name not in _RELOADABLE and getattr(old, field.name) != getattr(new, field.name)
    ]
    if _without_keys(old) != _without_keys(new):
        changed.append("organizations")
    return changed


def _without_keys(settings: Settings) -> list[object]:
    return [
        (
            dataclasses.replace(each, admin_key=None, api_key=None),
            each.admin_key and each.admin_key.origin,
            each.api_key and each.api_key.origin,
        )
        for each in settings.organizations
    ]
