"""What differs between the stages, and nothing else does. What only the operator can know is in `stages.toml`
(infrastructure/addresses.py)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.config import Settings


@dataclass(frozen=True)
class Stage:
    name: str
    least_capacity: float
    """Of Aurora, in capacity units of about 2 GiB each. Not 0: RDS Proxy's connections would keep it from pausing."""
    most_capacity: float
    readers: int
    """In other zones: each can take over within a minute when the writer fails."""
    backup_days: int
    log_days: int
    kept: bool
    """Whether images, database and users stay when the stack is deleted, and deleting them is refused."""
    requests_a_second: int
    burst: int
    concurrency: int | None
    """Of the API function, reserved; it bounds the connections to the database. None: what the account has left."""
    firewall: bool
    snap_start: bool
    """Of the API function: it starts from a snapshot, for the price of keeping one per version."""
    relied_on: bool = True
    """Whether people rely on it: then the operator must name the addresses below, whose values here are for others."""
    origins: tuple[str, ...] = ("http://localhost:5173",)
    """Of the web sites that may call the API and the bucket from a browser."""
    callbacks: tuple[str, ...] = ("http://localhost:5173/",)
    """Where the hosted sign-in may send a browser back to."""
    alarm_email: str | None = None
    problem_type_base: str = Settings.model_fields["problem_type_base"].default
    """What stands before the slug in the `type` of every error: the functions', the gateway's and the firewall's."""
    bucket: str | None = None
    """The name of the image bucket. None: one that is made of stage and account."""
    zones: tuple[str, ...] = ()
    """Two availability zones in which RDS Proxy is offered. Empty: the first two of the region."""
    protected: bool = True
    """False for the first deployment of a stage that is kept, so that CloudFormation can delete what it has created
    when the deployment fails."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the service, by their names in the environment, where they are not to be its defaults; every function gets
    them. `service.checked` says which may be here."""

    @property
    def deletion_protection(self) -> bool:
        """Of the database, the table, the user pool and the stack."""
        return self.kept and self.protected


DEV = Stage(
    name="dev",
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
    relied_on=False,
)

STAGING = Stage(
    name="staging",
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
