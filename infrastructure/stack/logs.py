"""Log groups: encrypted by our key, and not for ever."""

from aws_cdk import RemovalPolicy, aws_kms, aws_logs
from aws_cdk.aws_logs import RetentionDays
from constructs import Construct

from infrastructure.stages import Stage

_RETENTION = {14: RetentionDays.TWO_WEEKS, 30: RetentionDays.ONE_MONTH, 365: RetentionDays.ONE_YEAR}


def log_group(scope: Construct, name: str, path: str, stage: Stage, key: aws_kms.Key) -> aws_logs.LogGroup:
    return aws_logs.LogGroup(
        scope,
        name,
        log_group_name=path,
        retention=_RETENTION[stage.log_days],
        encryption_key=key,
        removal_policy=RemovalPolicy.RETAIN if stage.kept else RemovalPolicy.DESTROY,
    )
