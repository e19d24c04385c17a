"""Log groups: ours are encrypted by our key, and none keeps its lines for ever."""

from aws_cdk import Aws, aws_kms, aws_logs
from aws_cdk.aws_iam import PolicyStatement
from aws_cdk.aws_logs import RetentionDays
from aws_cdk.custom_resources import AwsCustomResource, AwsCustomResourcePolicy, AwsSdkCall, PhysicalResourceId
from constructs import Construct

from infrastructure.stack import removal
from infrastructure.stages import Stage

CALLS_MEGABYTES = 256
"""Memory of CDK's function that calls AWS during a deployment. All calls share one function."""

_RETENTION = {14: RetentionDays.TWO_WEEKS, 30: RetentionDays.ONE_MONTH, 365: RetentionDays.ONE_YEAR}


def log_group(scope: Construct, name: str, path: str, stage: Stage, key: aws_kms.Key) -> aws_logs.LogGroup:
    return aws_logs.LogGroup(
        scope,
        name,
        log_group_name=path,
        retention=_RETENTION[stage.log_days],
        encryption_key=key,
        removal_policy=removal.of_data(stage),
    )


def limit(scope: Construct, name: str, path: str, stage: Stage) -> None:
    """Sets the retention of a log group that a service of AWS creates by itself, under a name with an id that is not
    known before. CloudFormation cannot create a group that is there already, so two calls do it: they create the group
    unless it exists, and set its retention."""
    created = _call(
        scope,
        f"AwsLog{name}",
        AwsSdkCall(
            service="CloudWatchLogs",
            action="createLogGroup",
            parameters={"logGroupName": path},
            physical_resource_id=PhysicalResourceId.of(path),
            ignore_error_codes_matching="ResourceAlreadyExistsException",
        ),
        PolicyStatement(actions=["logs:CreateLogGroup"], resources=_arns(path)),
    )
    limited = _call(
        scope,
        f"AwsLog{name}Retention",
        AwsSdkCall(
            service="CloudWatchLogs",
            action="putRetentionPolicy",
            parameters={"logGroupName": path, "retentionInDays": stage.log_days},
            physical_resource_id=PhysicalResourceId.of(path),
        ),
        PolicyStatement(actions=["logs:PutRetentionPolicy"], resources=_arns(path)),
    )
    limited.node.add_dependency(created)


def _call(scope: Construct, name: str, call: AwsSdkCall, allowed: PolicyStatement) -> AwsCustomResource:
    """Makes the call when the stack is created, and when the call changes."""
    return AwsCustomResource(
        scope,
        name,
        on_update=call,
        policy=AwsCustomResourcePolicy.from_statements([allowed]),
        resource_type="Custom::LogRetention",
        install_latest_aws_sdk=False,
        memory_size=CALLS_MEGABYTES,
    )


def _arns(path: str) -> list[str]:
    group = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{path}"
    return [group, f"{group}:*"]
