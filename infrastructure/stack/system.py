"""The stack: a table of contents."""

from pathlib import Path

from aws_cdk import CfnOutput, Stack, Tags, aws_kms
from aws_cdk.aws_iam import PolicyStatement, ServicePrincipal
from constructs import Construct

from infrastructure.resources import STAGE
from infrastructure.stack import grants, removal
from infrastructure.stack.access_log import access_log_table
from infrastructure.stack.database import Database
from infrastructure.stack.functions import FED_BY_A_QUEUE, Functions, title
from infrastructure.stack.gateway import Gateway
from infrastructure.stack.inspections import Inspections
from infrastructure.stack.network import Network
from infrastructure.stack.storage import ImageBucket
from infrastructure.stack.users import Users
from infrastructure.stack.watch import Watch
from infrastructure.stages import Stage

SERVICE = "tagged-image-manager"


class TaggedImageManager(Stack):
    def __init__(self, scope: Construct, stage: Stage, package: Path, layer: Path) -> None:
        super().__init__(scope, f"{SERVICE}-{stage.name}", termination_protection=stage.deletion_protection)
        for name, value in {"service": SERVICE, "stage": stage.name}.items():
            Tags.of(self).add(name, value, exclude_resource_types=["AWS::RDS::DBProxyTargetGroup"])
        key = _key(self, stage)
        network = Network(self, stage, key)
        bucket = ImageBucket(self, stage, key)
        table = access_log_table(self, stage, key)
        users = Users(self, stage)
        database = Database(self, stage, key, network)
        functions = Functions(self, stage, key, package, network)
        inspections = Inspections(self, stage, key, layer, functions)
        grants.settle(functions, bucket, table, database, users, network, inspections)
        database.migrate_before(functions)
        bucket.tell(functions)
        functions.schedule()
        gateway = Gateway(self, stage, key, functions, users)
        Watch(self, stage, key, functions, gateway, database, inspections)
        self._tell(gateway, users, bucket, functions)

    def _tell(self, gateway: Gateway, users: Users, bucket: ImageBucket, functions: Functions) -> None:
        told = {
            "ApiUrl": f"https://{gateway.api.rest_api_id}.execute-api.{self.region}.{self.url_suffix}/{STAGE}",
            "UserPoolId": users.pool.user_pool_id,
            "BrowserClientId": users.browser.user_pool_client_id,
            "MachineClientId": users.machines["write"].user_pool_client_id,
            **{f"Machine{name.title()}ClientId": each.user_pool_client_id for name, each in users.machines.items()},
            "SignInUrl": users.domain.base_url(),
            "ImageBucket": bucket.name,
        }
        for each in functions.all:
            if each.dead_letters and each.name not in FED_BY_A_QUEUE:
                told[f"Function{title(each.name)}"] = each.alias.function_arn
                told[f"DeadLetters{title(each.name)}"] = each.dead_letters.queue_url
        for name, value in told.items():
            CfnOutput(self, name, value=value)


def _key(stack: Stack, stage: Stage) -> aws_kms.Key:
    """One for all that is kept: images, database, access log, logs."""
    key = aws_kms.Key(
        stack,
        "Key",
        description=f"{SERVICE} {stage.name}: everything at rest",
        enable_key_rotation=True,
        removal_policy=removal.of_data(stage),
    )
    # For its dead letters. Without a condition: the call of KMS that delivers to an encrypted queue names no source.
    key.grant_encrypt_decrypt(ServicePrincipal("events.amazonaws.com"))
    groups = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:/{SERVICE}/{stage.name}/*"
    key.add_to_resource_policy(
        PolicyStatement(
            principals=[ServicePrincipal(f"logs.{stack.region}.{stack.url_suffix}")],
            actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
    )
    return key
