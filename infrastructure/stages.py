"""What differs between the stages, and nothing else does."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stage:
    name: str
    origins: tuple[str, ...]
    """Of the web sites that may call the API and the bucket from a browser."""
    callbacks: tuple[str, ...]
    """Where the hosted sign-in may send a browser back to."""
    least_capacity: float
    """Of Aurora, in capacity units of about 2 GiB each. Not 0: RDS Proxy's connections would keep it from pausing."""
    most_capacity: float
    readers: int
    """In other zones: each can take over within a minute when the writer fails."""
    backup_days: int
    log_days: int
    kept: bool
    """Whether `make destroy` leaves the images, the database and the users, and deleting them is refused."""
    requests_a_second: int
    burst: int
    concurrency: int | None
    """Of the API function, reserved; it bounds the connections to the database. None: what the account has left."""
    firewall: bool
    snap_start: bool
    """Of the API function: it starts from a snapshot, for the price of keeping one per version."""
    alarm_email: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the service, by their names in the environment, where they are not to be its defaults; every function is told
    them. `service.checked` says which may be here."""


DEV = Stage(
    name="dev",
    origins=("http://localhost:5173",),
    callbacks=("http://localhost:5173/",),
    least_capacity=0.5,
    most_capacity=2,
    readers=0,
    backup_days=1,
    log_days=14,
    kept=False,
    requests_a_second=50,
    burst=100,
    concurrency=None,
    firewall=False,
    snap_start=False,
)

STAGING = Stage(
    name="staging",
    origins=("https://staging.images.example.org",),
    callbacks=("https://staging.images.example.org/",),
    least_capacity=0.5,
    most_capacity=8,
    readers=0,
    backup_days=7,
    log_days=30,
    kept=False,
    requests_a_second=500,
    burst=1000,
    concurrency=100,
    firewall=True,
    snap_start=True,
)

PROD = Stage(
    name="prod",
    origins=("https://images.example.org",),
    callbacks=("https://images.example.org/",),
    least_capacity=1,
    most_capacity=32,
    readers=1,
    backup_days=35,
    log_days=365,
    kept=True,
    requests_a_second=2000,
    burst=4000,
    concurrency=400,
    firewall=True,
    snap_start=True,
)

STAGES = {stage.name: stage for stage in (DEV, STAGING, PROD)}
