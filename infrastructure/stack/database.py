"""Aurora PostgreSQL, the proxy before it, its users, and the migration before new code takes traffic."""

from typing import TYPE_CHECKING

from aws_cdk import Aws, CfnResource, Duration, Stack, aws_kms, aws_rds, triggers
from aws_cdk.aws_ec2 import SubnetSelection, SubnetType
from aws_cdk.aws_iam import IRole, PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_rds import AuroraPostgresEngineVersion, ClusterInstance, DatabaseClusterEngine
from aws_cdk.custom_resources import AwsCustomResource, AwsCustomResourcePolicy, AwsSdkCall, PhysicalResourceId
from constructs import Construct

from infrastructure import roles
from infrastructure.stack import removal
from infrastructure.stack.logs import CALLS_MEGABYTES, limit, log_group
from infrastructure.stack.network import Network
from infrastructure.stages import Stage

if TYPE_CHECKING:
    from infrastructure.stack.functions import Functions

BORROW_SECONDS = 10
"""How long a request waits for a connection before the proxy refuses it."""

_ISOLATED = SubnetSelection(subnet_type=SubnetType.PRIVATE_ISOLATED)


class Database:
    def __init__(self, scope: Construct, stage: Stage, key: aws_kms.Key, network: Network) -> None:
        self._scope, self._stage = scope, stage
        self.cluster = _cluster(scope, stage, key, network)
        self.proxy = aws_rds.DatabaseProxy(
            scope,
            "Proxy",
            db_proxy_name=f"tagged-image-manager-{stage.name}",
            role=self._proxy_role(),
            proxy_target=aws_rds.ProxyTarget.from_cluster(self.cluster),
            vpc=network.vpc,
            vpc_subnets=_ISOLATED,
            security_groups=[network.proxy],
            default_auth_scheme=aws_rds.DefaultAuthScheme.IAM_AUTH,
            require_tls=True,
            max_connections_percent=90,
            borrow_timeout=Duration.seconds(BORROW_SECONDS),
            idle_client_timeout=Duration.minutes(30),
        )
        self._users = self._make_users(log_group(scope, "RolesLog", _path(stage, "roles"), stage, key))
        limit(scope, "Database", f"/aws/rds/cluster/{self.cluster.cluster_identifier}/postgresql", stage)
        limit(scope, "Proxy", f"/aws/rds/proxy/{self.proxy.db_proxy_name}", stage)

    def _proxy_role(self) -> Role:
        """The proxy signs in to the database by token, too: as the users whom it lets in, and as no other."""
        role = Role(self._scope, "ProxyRole", assumed_by=ServicePrincipal("rds.amazonaws.com"))
        place = f"arn:{Aws.PARTITION}:rds-db:{Aws.REGION}:{Aws.ACCOUNT_ID}:dbuser"
        users = [f"{place}:{self.cluster.cluster_resource_identifier}/{user}" for user in roles.USERS]
        role.add_to_policy(PolicyStatement(actions=["rds-db:connect"], resources=users))
        return role

    def url(self, user: str) -> str:
        """Without a password: the function signs in by its own role."""
        return (
            f"postgresql+psycopg2://{user}@{self.proxy.endpoint}:5432/{roles.DATABASE}"
            f"?sslmode=verify-full&sslrootcert={roles.CA_FILE}"
        )

    def let_in(self, role: IRole, user: str) -> None:
        self.proxy.grant_connect(role, user)

    def migrate_before(self, functions: "Functions") -> None:
        """Aliases, by which all traffic comes, move to new versions only when the migration has succeeded."""
        triggers.Trigger(
            self._scope,
            "Migration",
            handler=functions.migrate.function,
            timeout=Duration.minutes(14),
            execute_after=[self._users, self.proxy, self.cluster, functions.migrate.role],
            execute_before=[each.alias for each in functions.all if each is not functions.migrate],
        )
        provider = Stack.of(self._scope).node.find_child("AWSCDK.TriggerCustomResourceProviderCustomResourceProvider")
        starter = provider.node.find_child("Handler")
        assert isinstance(starter, CfnResource)  # noqa: S101
        limit(self._scope, "Trigger", f"/aws/lambda/{starter.ref}", self._stage)

    def _make_users(self, group: object) -> AwsCustomResource:
        """Through the Data API, as the master user, whose password RDS keeps and nobody sees."""
        secret = self.cluster.secret
        assert secret is not None  # noqa: S101
        call = AwsSdkCall(
            service="RDSDataService",
            action="executeStatement",
            parameters={
                "resourceArn": self.cluster.cluster_arn,
                "secretArn": secret.secret_arn,
                "database": roles.DATABASE,
                "sql": roles.sql(),
            },
            physical_resource_id=PhysicalResourceId.of("roles"),
        )
        allowed = [
            PolicyStatement(actions=["rds-data:ExecuteStatement"], resources=[self.cluster.cluster_arn]),
            PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[secret.secret_arn]),
        ]
        made = AwsCustomResource(
            self._scope,
            "DatabaseUsers",
            on_create=call,
            on_update=call,
            policy=AwsCustomResourcePolicy.from_statements(allowed),
            install_latest_aws_sdk=False,
            memory_size=CALLS_MEGABYTES,
            log_group=group,  # type: ignore[arg-type]
            timeout=Duration.minutes(5),
        )
        made.node.add_dependency(self.cluster)
        return made


_WITHOUT_VALUES = {
    "log_min_duration_statement": "-1",
    "log_min_messages": "log",  # above "error": some errors quote a value in their first line
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
"""Errors and their statements hold what callers wrote, and the service logs them itself; slow statements, too, which
Database Insights shows without their values."""


def _cluster(scope: Construct, stage: Stage, key: aws_kms.Key, network: Network) -> aws_rds.DatabaseCluster:
    engine = DatabaseClusterEngine.aurora_postgres(version=AuroraPostgresEngineVersion.VER_18_4)
    readers = [
        ClusterInstance.serverless_v2(f"Reader{number}", scale_with_writer=True) for number in range(stage.readers)
    ]
    return aws_rds.DatabaseCluster(
        scope,
        "Database",
        engine=engine,
        default_database_name=roles.DATABASE,
        manage_master_user_password=True,
        writer=ClusterInstance.serverless_v2("Writer"),
        readers=readers,
        serverless_v2_min_capacity=stage.least_capacity,
        serverless_v2_max_capacity=stage.most_capacity,
        vpc=network.vpc,
        vpc_subnets=_ISOLATED,
        security_groups=[network.cluster],
        parameters={"rds.force_ssl": "1", **_WITHOUT_VALUES},
        iam_authentication=True,
        enable_data_api=True,
        storage_encrypted=True,
        storage_encryption_key=key,
        backup=aws_rds.BackupProps(retention=Duration.days(stage.backup_days)),
        copy_tags_to_snapshot=True,
        cloudwatch_logs_exports=["postgresql"],
        database_insights_mode=aws_rds.DatabaseInsightsMode.STANDARD,
        performance_insight_encryption_key=key,
        deletion_protection=stage.deletion_protection,
        removal_policy=removal.of_the_database(stage),
    )


def _path(stage: Stage, name: str) -> str:
    return f"/tagged-image-manager/{stage.name}/{name}"
