"""Removal policies of resources that hold data."""

from aws_cdk import RemovalPolicy

from infrastructure.stages import Stage

KEPT = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""Kept, but not when the operation that created it is rolled back: it is empty then, and its name would be taken when
the deployment is repeated (`RetainExceptOnCreate` of CloudFormation)."""


def of_data(stage: Stage) -> RemovalPolicy:
    return KEPT if stage.kept else RemovalPolicy.DESTROY


def of_the_database(stage: Stage) -> RemovalPolicy:
    """Leaves a snapshot rather than a cluster that costs. A cluster without protection is of a first deployment, and
    empty: `infrastructure.protection` refuses any other."""
    return RemovalPolicy.SNAPSHOT if stage.deletion_protection else RemovalPolicy.DESTROY
