"""From settings to the client of one organization."""

from collections.abc import Callable
from functools import partial

from exporter.clock import Clock
from exporter.openai import Client, FallbackClient, Observer, Runner, Throttle, inline
from exporter.openai.fallback import Told
from exporter.settings import Api, OrganizationSettings


def connect(
    organization: OrganizationSettings,
    api: Api,
    clock: Clock,
    observer: Observer,
    *,
    throttle: Throttle | None = None,
    run: Runner = inline,
    told: Told | None = None,
) -> Client:
    """Return a client, with a throttle of its own unless one is given. Raises ValueError where there is no key.

    With `told`, the legacy billing endpoints may stand in, and it is told when they do: unless the settings name
    projects, which those endpoints do not tell apart.
    """
    if organization.key is None:
        raise ValueError(f"organization {organization.name} has no key")
    make: Callable[..., Client] = Client
    if told and not organization.project_scoped:
        make = partial(FallbackClient, told=told, organization=organization.name)
    return make(
        organization.base_url,
        organization.key.read,
        throttle=throttle or Throttle(clock, organization.requests_per_minute),
        clock=clock,
        organization_id=organization.organization_id or "",
        timeout=api.timeout,
        max_body=api.max_body,
        proxy=api.proxy,
        ca_file=str(api.ca_file) if api.ca_file else None,
        observer=observer,
        run=run,
    )
