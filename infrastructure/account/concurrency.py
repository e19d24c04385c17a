"""Lambda: the executions that a stage reserves, and the room for its code."""

from collections.abc import Iterator
from typing import Any

from infrastructure.account.finding import Finding
from infrastructure.account.target import Target

UNRESERVED = 100
"""What Lambda keeps for functions without a reservation
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html)."""


def concurrency(target: Target) -> Iterator[Finding]:
    wanted = target.assembly.reserved_concurrency
    if not wanted:
        return
    limit = _settings(target)["AccountLimit"]
    free = limit["UnreservedConcurrentExecutions"] + sum(map(_reserved(target), target.existing(_FUNCTION)))
    if free - wanted < UNRESERVED:
        least = limit["ConcurrentExecutions"] + wanted + UNRESERVED - free
        yield Finding(
            "Lambda refuses the concurrency that the stage reserves for its functions",
            f"{limit['ConcurrentExecutions']} concurrent executions in the account, {free} of them not reserved",
            f"{wanted} to reserve, and {UNRESERVED} that stay unreserved",
            f"request an increase of the Lambda quota `Concurrent executions` (L-B99A9384) to {least} or more,"
            " or lower `concurrency` of the stage in infrastructure/stages.py",
        )


def code_storage(target: Target) -> Iterator[Finding]:
    settings = _settings(target)
    limit, used = settings["AccountLimit"]["TotalCodeSize"], settings["AccountUsage"]["TotalCodeSize"]
    if used + target.assembly.code_bytes > limit:
        yield Finding(
            "Lambda has too little code storage left for the functions and layers of the stage",
            f"{used:,} of {limit:,} bytes used",
            f"{target.assembly.code_bytes:,} bytes free",
            "delete old versions of functions (`python -m infrastructure.prune` does so for a stage), or request an"
            " increase of the Lambda quota `Function and layer storage` (L-2ACBD22F)",
        )


_FUNCTION = "AWS::Lambda::Function"


def _settings(target: Target) -> dict[str, Any]:
    return target.calls.get("lambda", "GetAccountSettings")


def _reserved(target: Target) -> Any:
    """What a function of the stack has reserved already is free to be reserved again."""
    return lambda function: target.calls.get("lambda", "GetFunctionConcurrency", FunctionName=function).get(
        "ReservedConcurrentExecutions", 0
    )
