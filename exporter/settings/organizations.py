"""The list `organizations` of the YAML file."""

from typing import Annotated

from pydantic import AfterValidator

from exporter.settings.resources import Resources
from exporter.settings.sections import Budgets, Section
from exporter.settings.types import BaseUrl, FilePath, NonEmptyTexts, Rate, Text, not_empty


class OrganizationSection(Section):
    """One organization of several."""

    name: Text
    """Value of the label `organization`"""
    admin_key_file: FilePath | None = None
    """File with the admin key; read again when it changes"""
    admin_key_env: Text | None = None
    """Name of the environment variable with the admin key"""
    project_ids: NonEmptyTexts | None = None
    """Only these projects"""
    organization_id: Text | None = None
    """For the header OpenAI-Organization"""
    base_url: BaseUrl | None = None
    """By default api.base_url"""
    requests_per_minute: Rate | None = None
    """By default api.requests_per_minute"""
    budgets: Budgets = Budgets()
    resources: Resources = Resources()
    """What differs from the settings for all organizations"""


OrganizationList = Annotated[tuple[OrganizationSection, ...], AfterValidator(not_empty)]
