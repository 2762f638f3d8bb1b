"""Projects, users, service accounts and keys of one simulated organization."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from string import ascii_letters, digits
from typing import Final

from exporter.catalog import DAY
from exporter.simulator.activity import RHYTHMS, Multiplier, Rhythm

FOUNDED: Final = 1672617600
"""Monday 2023-01-02, the first day of every simulated organization (Unix seconds)."""

GHOST_KEY: Final = "ghost"
"""The name of the key that appears in usage but that no list returns."""

_NAMES: Final = (
    "checkout-assistant",
    "media-lab",
    "sandbox",
    "sandbox",
    'Ünïcode "quoted" \\ 🚀 prototypes',
    "sunset-pilot",
    "support-search",
    "nightly-evaluation",
)
_ARCHIVED: Final = "sunset-pilot"
_ARCHIVED_AFTER_DAYS: Final = 960
_PEOPLE: Final = (
    ("Ines Okafor", "ines", "owner"),
    ("Jonas Weld", "jonas", "reader"),
    ("Mira Castellane", "mira", "reader"),
    ("Tomasz Brandt", "tomasz", "reader"),
    ("Aiko Ferreira", "aiko", "owner"),
)
_ORGANIZATIONS: Final = (("Northwind Robotics", "northwind.example"), ("Southgate Labs", "southgate.example"))
_RESIDENCIES: Final = ("GLOBAL", "EU_STORAGE_PROCESSING", "US_STORAGE_PROCESSING")
_FIRST_NAMED: Final = 6
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of an organization."""

    projects: int = _FIRST_NAMED
    models: int = 0
    """Made-up language models instead of the real ones; every project uses all of them."""
    activity: float = 1.0
    """Multiple of the normal request rate, to two decimals: 0 is an organization without generated usage."""
    mixed: bool = False
    """Whether streams of usage differ in hours and proportions, so that the cost of a request varies in a day."""


@dataclass(slots=True)
class User:
    """A member of the organization, or the user of a service account."""

    id: str
    name: str
    email: str
    role: str
    added_at: int
    service_account: bool = False


@dataclass(slots=True)
class ServiceAccount:
    """A project's service account; usage names its `user`."""

    id: str
    name: str
    user: User
    created_at: int
    role: str = "member"


@dataclass(slots=True)
class ApiKey:
    """A key of a project."""

    id: str
    name: str
    owner: User | ServiceAccount
    created_at: int
    expires_at: int | None = None
    access: str = "active"
    listed: bool = True

    @property
    def user(self) -> User:
        """The user to whom usage with this key is attributed."""
        return self.owner.user if isinstance(self.owner, ServiceAccount) else self.owner


@dataclass(slots=True)
class Project:
    """A project with its keys, activity and prices."""

    id: str
    name: str
    created_at: int
    residency: str
    archived_at: int | None = None
    deleted: bool = False
    users: list[User] = field(default_factory=list)
    service_accounts: list[ServiceAccount] = field(default_factory=list)
    api_keys: list[ApiKey] = field(default_factory=list)
    vector_stores: list[str] = field(default_factory=list)
    rhythms: dict[str, Rhythm] = field(default_factory=dict)
    activity_multiplier: Multiplier = field(default_factory=Multiplier)
    price_multiplier: Multiplier = field(default_factory=Multiplier)
    """Multiple of the list price that the project pays."""
    _known: dict[tuple[str, int], int] = field(default_factory=dict, repr=False)

    @property
    def status(self) -> str:
        """`active` or `archived`."""
        return "archived" if self.archived_at is not None else "active"

    @property
    def in_use(self) -> bool:
        """Whether the project is still used."""
        return self.archived_at is None and not self.deleted

    def activity(self, rhythm: str, time: int) -> int:
        """Return the activity up to `time`, in hundredths of NOMINAL seconds, multiplied."""
        key = (rhythm, time)
        if (known := self._known.get(key)) is None:
            plain = self.rhythms[rhythm].until
            initial = plain(self.created_at)
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self.activity_multiplier.accrue(
                lambda moment: max(plain(moment) - initial, 0), time
            )
        return known

    def change_activity(self, time: int, hundredths: int) -> None:
        """Set the activity multiplier from `time` on."""
        self.activity_multiplier.change(time, hundredths)
        self._known.clear()


@dataclass(slots=True)
class AdminKey:
    """An admin key, as the API lists it."""

    id: str
    name: str | None
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    owner: User | ServiceAccount


class Organization:
    """An organization generated from a seed, with later changes by control requests."""

    def __init__(self, seed: int, shape: Shape, index: int = 0) -> None:
        """Build organization number `index` (0 or 1) of this seed."""
        self.seed = f"{seed}/{index}"
        self.shape = shape
        random = self.random("identities")
        self.name, self._domain = _ORGANIZATIONS[index % len(_ORGANIZATIONS)]
        self.id = _id(random, "org-")
        self.users = [
            User(_id(random, "user-"), name, f"{local}@{self._domain}", role, FOUNDED + number * DAY)
            for number, (name, local, role) in enumerate(_PEOPLE)
        ]
        self.projects = [
            self._project(
                number,
                _NAMES[number] if number < len(_NAMES) else f"team-{number:03}",
                FOUNDED + number % 60 * DAY,
            )
            for number in range(shape.projects)
        ]
        self.users += [account.user for project in self.projects for account in project.service_accounts]
        self.admin_keys = list(self._admin_keys(random))
        self._list_prices: dict[str | None, Multiplier] = {}

    def random(self, purpose: str) -> Random:
        """Return a generator whose numbers depend on seed and purpose only."""
        return Random(f"{self.seed}/{purpose}")

    def list_price(self, model: str | None) -> Multiplier:
        """Return the multiplier of a model's first list price."""
        return self._list_prices.setdefault(model, Multiplier())

    def project(self, key: str) -> Project | None:
        """Return the project of this id; None if it does not exist or was deleted."""
        return next((project for project in self.projects if project.id == key and not project.deleted), None)

    def add_project(self, name: str, time: int) -> Project:
        """Add a project whose usage begins at `time`, and return it."""
        project = self._project(len(self.projects), name, time)
        self.users += [account.user for account in project.service_accounts]
        self.projects.append(project)
        return project

    def archive(self, project: Project, time: int) -> None:
        """Archive a project: its usage stops, past usage remains."""
        project.archived_at = time
        project.change_activity(time, 0)

    def _project(self, number: int, name: str, created: int) -> Project:
        random = self.random(f"project {number}")
        project = Project(_id(random, "proj_"), name, created, _RESIDENCIES[number % len(_RESIDENCIES)])
        project.rhythms = {rhythm: Rhythm(random, rhythm, FOUNDED) for rhythm in RHYTHMS}
        project.change_activity(FOUNDED, round(self.shape.activity * 100))
        first, second = (self.users[(number + step) % len(_PEOPLE)] for step in range(2))
        project.users = [first, second]
        machine = User(
            _id(random, "user-"), "ci-runner", f"ci-{number}@{self._domain}", "reader", created, service_account=True
        )
        project.service_accounts = [ServiceAccount(_id(random, "svc_acct_", 10), "ci-runner", machine, created)]
        project.api_keys = list(self._api_keys(random, project))
        project.vector_stores = [f"vs_{random.getrandbits(128):032x}" for _ in range(2)]
        if name == _ARCHIVED:
            self.archive(project, FOUNDED + _ARCHIVED_AFTER_DAYS * DAY)
        return project

    def _api_keys(self, random: Random, project: Project) -> Iterator[ApiKey]:
        first, second = project.users
        yield ApiKey(_id(random, "key_", 16), "web", project.service_accounts[0], project.created_at)
        local = first.email.partition("@")[0]
        yield ApiKey(_id(random, "key_", 16), f"{local}-laptop", first, project.created_at + DAY)
        expires = FOUNDED + 1600 * DAY
        yield ApiKey(_id(random, "key_", 16), "left-the-team", second, project.created_at, expires, "inactive")
        yield ApiKey(_id(random, "key_", 16), GHOST_KEY, first, project.created_at, listed=False)

    def _admin_keys(self, random: Random) -> Iterator[AdminKey]:
        owner = self.users[0]
        yield AdminKey(_id(random, "key_", 16), "usage-exporter", FOUNDED, FOUNDED + 1500 * DAY, None, owner)
        terraform = ServiceAccount(_id(random, "sa_", 4), "terraform", owner, FOUNDED)
        yield AdminKey(_id(random, "key_", 16), None, FOUNDED + DAY, None, FOUNDED + 2 * DAY, terraform)


def _id(random: Random, prefix: str, length: int = 24) -> str:
    return prefix + "".join(random.choices(ascii_letters + digits, k=length))
