"""The access-log table, from the definition that the local stack reads too."""

from aws_cdk import aws_dynamodb, aws_kms
from aws_cdk.aws_dynamodb import Attribute, AttributeType
from constructs import Construct

from infrastructure import resources
from infrastructure.stack import removal
from infrastructure.stages import Stage

_TYPES = {"S": AttributeType.STRING, "N": AttributeType.NUMBER}


def access_log_table(scope: Construct, stage: Stage, key: aws_kms.Key) -> aws_dynamodb.Table:
    partition, sort = map(_attribute, resources.ACCESS_LOG_PRIMARY_KEY)
    table = aws_dynamodb.Table(
        scope,
        "AccessLog",
        partition_key=partition,
        sort_key=sort,
        billing_mode=aws_dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=aws_dynamodb.TableEncryption.CUSTOMER_MANAGED,
        encryption_key=key,
        point_in_time_recovery_specification=aws_dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        time_to_live_attribute=resources.ACCESS_LOG_TTL,
        deletion_protection=stage.deletion_protection,
        removal_policy=removal.of_data(stage),
    )
    for index, keys in resources.ACCESS_LOG_INDEXES.items():
        partition, sort = map(_attribute, keys)
        table.add_global_secondary_index(index_name=index, partition_key=partition, sort_key=sort)
    return table


def _attribute(name: str) -> Attribute:
    return Attribute(name=name, type=_TYPES[resources.ACCESS_LOG_KEYS[name]])
