"""The functions of app.py, each with a role of its own, a version that stays, and an end for what it cannot take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import Duration, aws_events, aws_events_targets, aws_kms, aws_lambda, aws_sqs
from aws_cdk.aws_ec2 import SubnetSelection, SubnetType
from aws_cdk.aws_iam import PolicyStatement, Role, ServicePrincipal
from constructs import Construct

from infrastructure import resources, service
from infrastructure.stack import removal
from infrastructure.stack.logs import log_group
from infrastructure.stack.network import Network
from infrastructure.stages import Stage

API = "app"
STORAGE = "record_storage_event"
RECONCILE = "reconcile"
TIDY = "tidy"
PURGE = "purge"
INSPECT = "inspect"
MIGRATE = "migrate"

WAITED_FOR = (API, MIGRATE)
"""By who called them, and hears of a failure at once; the others are told and left alone."""

FED_BY_A_QUEUE = (INSPECT,)
"""Which keeps what failed, tries again, and has dead letters of its own."""

LONGEST_SECONDS = 900
"""What Lambda gives at most; to read a file of 50 GB takes most of it."""

SECONDS = {
    API: resources.GATEWAY_TIMEOUT_SECONDS,
    MIGRATE: 840,
    STORAGE: LONGEST_SECONDS,
    RECONCILE: LONGEST_SECONDS,
    PURGE: 300,
    INSPECT: resources.INSPECTION_SECONDS,
}
OTHERWISE_SECONDS = 60
INSPECTIONS_AT_ONCE = 10
"""Each with one connection to the database; the others wait in the queue."""

AT_ONCE = {INSPECT: INSPECTIONS_AT_ONCE, RECONCILE: 3}
"""A run of `reconcile` that reads large files lasts up to 15 minutes, and one begins every 5: no run has to wait for
another. Runs at the same time share the work."""

INSPECTION_MEGABYTES = 2048
"""A process that may take a gigabyte for one picture, beside its parent."""
MEGABYTES = 1024
"""More buys a quicker cold start: with memory comes processor, and at 1,769 MB a whole one."""

EVENT_WAITS = Duration.hours(6)
"""The longest that Lambda keeps a storage event for which no function is free."""
RUN_WAITS = Duration.minutes(5)
"""The longest that Lambda keeps a run of a schedule, its retries included. It then ends among the dead letters: the
next run does the same work, and a longer queue would only repeat it."""

_TRIES_AGAIN = resources.STORAGE_EVENT_TRIES - 1


@dataclass(frozen=True)
class Deployed:
    name: str
    function: aws_lambda.Function
    role: Role
    alias: aws_lambda.Alias
    dead_letters: aws_sqs.Queue | None
    """None where the caller waits for the answer."""


class Functions:
    def __init__(self, scope: Construct, stage: Stage, key: aws_kms.Key, package: Path, network: Network) -> None:
        self._scope, self._stage, self._key, self._network = scope, stage, key, network
        self._code = aws_lambda.Code.from_asset(str(package))
        self.by_name = {name: self._made(name) for name in service.functions()}

    @property
    def all(self) -> list[Deployed]:
        return list(self.by_name.values())

    @property
    def allowed_origin(self) -> str:
        """The first of the stage's: the header names one only."""
        return self._stage.origins[0]

    @property
    def api(self) -> Deployed:
        return self.by_name[API]

    @property
    def migrate(self) -> Deployed:
        return self.by_name[MIGRATE]

    @property
    def storage_event_handler(self) -> Deployed:
        return self.by_name[service.storage_event_handler()]

    def set(self, name: str, variables: dict[str, str]) -> None:
        for variable, value in variables.items():
            self.by_name[name].function.add_environment(variable, value)

    def schedule(self) -> None:
        for name, expression in service.schedules().items():
            one = self.by_name[name]
            target = aws_events_targets.LambdaFunction(
                one.alias, dead_letter_queue=one.dead_letters, retry_attempts=2, max_event_age=RUN_WAITS
            )
            aws_events.Rule(
                self._scope, f"{title(name)}Rule", schedule=aws_events.Schedule.expression(expression), targets=[target]
            )

    def _made(self, name: str) -> Deployed:
        role = self._role(name)
        dead_letters = None if name in WAITED_FOR else self._queue(name)
        told = name not in WAITED_FOR + FED_BY_A_QUEUE
        settings = self._settings(name) | {"role": role, "dead_letter_queue": dead_letters if told else None}
        function = aws_lambda.Function(self._scope, title(name), **settings)
        alias = aws_lambda.Alias(self._scope, f"{title(name)}Live", alias_name="live", version=function.current_version)
        if told:
            uses = PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[self._key.key_arn])
            role.add_to_policy(uses)  # for the queue, which CDK lets it into but for this
            waits = EVENT_WAITS if name == STORAGE else RUN_WAITS
            alias.configure_async_invoke(retry_attempts=_TRIES_AGAIN, max_event_age=waits)
        return Deployed(name, function, role, alias, dead_letters)

    def _settings(self, name: str) -> dict[str, Any]:
        snap_start = self._stage.snap_start and name == API
        group = log_group(self._scope, f"{title(name)}Log", self._log_path(name), self._stage, self._key)
        return {
            "runtime": aws_lambda.Runtime.PYTHON_3_13,
            "architecture": aws_lambda.Architecture.X86_64,
            "handler": "app.app" if name == API else f"app.{name}",
            "code": self._code,
            "memory_size": INSPECTION_MEGABYTES if name == INSPECT else MEGABYTES,
            "timeout": Duration.seconds(SECONDS.get(name, OTHERWISE_SECONDS)),
            "vpc": self._network.vpc,
            "vpc_subnets": SubnetSelection(subnet_type=SubnetType.PRIVATE_ISOLATED),
            "security_groups": [self._network.functions],
            "environment": resources.FUNCTION_ENVIRONMENT
            | (resources.INSPECTION_ENVIRONMENT if name == INSPECT else {})
            | {"STAGE": self._stage.name, "PROBLEM_TYPE_BASE": self._stage.problem_type_base}
            | service.checked(self._stage.settings),
            "environment_encryption": self._key,
            "log_group": group,
            "reserved_concurrent_executions": self._concurrency(name),
            "snap_start": aws_lambda.SnapStartConf.ON_PUBLISHED_VERSIONS if snap_start else None,
            # A version that was live is what one goes back to; one whose deployment failed never was.
            "current_version_options": aws_lambda.VersionOptions(removal_policy=removal.KEPT),
        }

    def _concurrency(self, name: str) -> int | None:
        """Storage events wait, so that requests need not."""
        if self._stage.concurrency is None:
            return None
        return {API: self._stage.concurrency, STORAGE: self._stage.concurrency // 4, **AT_ONCE}.get(name, 2)

    def _role(self, name: str) -> Role:
        role = Role(
            self._scope,
            f"{title(name)}Role",
            assumed_by=ServicePrincipal("lambda.amazonaws.com"),
            description=f"What {name} may do, and nothing else does",
        )
        logs = (
            f"arn:{role.stack.partition}:logs:{role.stack.region}:{role.stack.account}:log-group:{self._log_path(name)}"
        )
        role.add_to_policy(
            PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[f"{logs}:*"])
        )
        # Lambda puts functions into a VPC in the name of their role, and these calls know no narrower resource.
        role.add_to_policy(
            PolicyStatement(
                actions=[
                    "ec2:CreateNetworkInterface",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSubnets",
                    "ec2:DeleteNetworkInterface",
                    "ec2:AssignPrivateIpAddresses",
                    "ec2:UnassignPrivateIpAddresses",
                ],
                resources=["*"],
            )
        )
        return role

    def _queue(self, name: str) -> aws_sqs.Queue:
        return aws_sqs.Queue(
            self._scope,
            f"{title(name)}DeadLetters",
            encryption=aws_sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )

    def _log_path(self, name: str) -> str:
        return f"/tagged-image-manager/{self._stage.name}/{name}"


def title(name: str) -> str:
    return "Api" if name == API else name.title().replace("_", "")
