"""Whether the stage's stack can be updated, and whether anybody hears of its alarms."""

from collections.abc import Iterator

from infrastructure.account.finding import Finding, listed
from infrastructure.account.target import Target

_DELETE = (
    "delete the stack (design-docs/deployment.md says what a stage keeps, and what to do with it), then deploy again"
)
_REMEDIES = {
    "ROLLBACK_COMPLETE": _DELETE,
    "ROLLBACK_FAILED": _DELETE,
    "CREATE_FAILED": _DELETE,
    "DELETE_FAILED": "remove what the events of the stack name, and delete the stack again",
    "UPDATE_ROLLBACK_FAILED": "mend what the events of the stack name, then run"
    " `aws cloudformation continue-update-rollback`",
}


def stack_state(target: Target) -> Iterator[Finding]:
    status = target.stack_status or ""
    remedy = "wait until it is done" if status.endswith("_IN_PROGRESS") else _REMEDIES.get(status)
    if remedy:
        yield Finding(
            f"The stack {target.assembly.stack} cannot be updated in its state",
            status,
            "a state that ends in COMPLETE, other than ROLLBACK_COMPLETE, or no stack",
            remedy,
        )


def subscriptions(target: Target) -> Iterator[Finding]:
    """CloudFormation asks an address once, when it makes the subscription, and not again."""
    if not target.existing("AWS::SNS::Subscription"):
        return
    wanted = {str(one["Endpoint"]) for one in target.assembly.of_type("AWS::SNS::Subscription")}
    confirmed = {
        one["Endpoint"]
        for topic in target.existing("AWS::SNS::Topic")
        for one in target.calls.all("sns", "ListSubscriptionsByTopic", "Subscriptions", TopicArn=topic)
        if one["SubscriptionArn"].startswith("arn:")
    }
    if missing := wanted - confirmed:
        yield Finding(
            "An address has not confirmed that it wants the alarms, and gets none",
            f"{listed(list(missing))} not confirmed",
            "confirmed",
            "follow the link in the mail that AWS sent to it, or subscribe it to the topic again (`aws sns subscribe`)",
        )
