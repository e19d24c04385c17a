"""The command line: `python -m infrastructure.account --stage prod`, after `make synth STAGE=prod`.

It ends with 0 when nothing was found, 1 when there are findings, and 2 when there are none but something could not be
checked.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infrastructure.account.assembly import Assembly
from infrastructure.account.calls import Calls, policy
from infrastructure.account.checks import CHECKS, checked
from infrastructure.account.finding import Finding, NotChecked
from infrastructure.account.target import Target
from infrastructure.packaging import ROOT
from infrastructure.stages import STAGES


def main(arguments: list[str] | None = None, calls: Calls | None = None) -> int:
    options = _options(arguments)
    if options.policy:
        print(json.dumps(policy(), indent=2))
        return 0
    try:
        target = find(calls or Calls(_session()), Assembly(options.assembly or ROOT / "build" / options.stage))
    except (NotChecked, FileNotFoundError) as error:
        print(f"Nothing could be checked: {error}", file=sys.stderr)
        return 2
    print(f"{target.assembly.stack} in account {target.account}, {target.region}")
    return _report(target)


def _session() -> boto3.Session:
    """CDK reads AWS_REGION too, which boto3 does not."""
    return boto3.Session(region_name=os.environ.get("AWS_REGION"))


def find(calls: Calls, assembly: Assembly) -> Target:
    """Returns where the credentials would deploy to; raises NotChecked when there are none."""
    if not calls.region:
        raise NotChecked("No region is set. Set AWS_REGION, or `region` of the profile.")
    try:
        identity = calls.get("sts", "GetCallerIdentity")
    except (ClientError, BotoCoreError) as error:
        raise NotChecked(f"The credentials are not accepted: {error}") from error
    return Target(calls, assembly, identity["Account"], identity["Arn"].split(":")[1], calls.region)


def _report(target: Target) -> int:
    said = list(checked(target))
    for name, one in said:
        print(one if isinstance(one, Finding) else f"Not checked: {name}. {str(one).rstrip('.')}.")
    findings = sum(isinstance(one, Finding) for _, one in said)
    print(f"{len(CHECKS)} checks: {findings} findings, {len(said) - findings} not checked.")
    return 1 if findings else 2 if said else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="infrastructure.account", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=sorted(STAGES), default="dev")
    parser.add_argument("--assembly", type=Path, help="written by `make synth`; by default build/ and the stage")
    parser.add_argument("--policy", action="store_true", help="print the IAM policy that the checks need, and stop")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
