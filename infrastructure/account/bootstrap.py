"""Whether CDK has prepared the account and region."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from infrastructure.account.finding import Finding
from infrastructure.account.target import Target


def bootstrap(target: Target) -> Iterator[Finding]:
    needed = target.assembly.bootstrap_version
    found = _version(target)
    if found is None or found < needed:
        yield Finding(
            "CDK's own stack, CDKToolkit, is missing or too old",
            "none" if found is None else f"version {found}",
            f"version {needed} or newer",
            f"run `.venv/bin/node infrastructure/node_modules/aws-cdk/bin/cdk bootstrap aws://{target.account}/{target.region}`",
        )


def _version(target: Target) -> int | None:
    try:
        answer = target.calls.get("ssm", "GetParameter", Name=target.assembly.bootstrap_parameter)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return None
        raise
    return int(answer["Parameter"]["Value"])
