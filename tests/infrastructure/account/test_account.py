"""What would stop a deployment is named before it is tried, and nothing else is."""

import json
import os
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from infrastructure.account import __main__ as command
from infrastructure.account import calls
from infrastructure.account.assembly import Assembly
from infrastructure.account.calls import ACTIONS
from infrastructure.account.checks import CHECKS, checked
from infrastructure.account.finding import Finding, NotChecked
from tests.infrastructure.account.faults import FAULTS, KEY, Answers, only
from tests.infrastructure.account.recorded import ACCOUNT, GOOD, REGION, deployed, limits, quota
from tests.infrastructure.account.wire import Operation, Player, Refusal

Said = Callable[[Answers], list[tuple[str, Finding | NotChecked]]]
"""What is said of an account."""
SERVICE_AUTHORIZATION = files("cfnlint") / "data" / "AdditionalSpecs" / "Policies.json"
"""AWS's list of services and their actions."""


@pytest.fixture(scope="session")
def directory(assembly: Callable[[str], Path]) -> Path:
    return assembly("prod")


@pytest.fixture
def prod(directory: Path) -> Assembly:
    """With one address for alarms, whichever prod has."""
    made = Assembly(directory)
    resources = made.template["Resources"]
    for name in [name for name, one in resources.items() if one["Type"] == "AWS::SNS::Subscription"]:
        del resources[name]
    resources["Subscription"] = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {"Protocol": "email", "Endpoint": "operator@example.com", "TopicArn": {"Ref": "Alarms"}},
    }
    return made


@pytest.fixture(scope="session")
def player() -> Player:
    return Player(REGION)


@pytest.fixture
def said(prod: Assembly, player: Player) -> Said:
    return lambda account: list(checked(command.find(player.of(account), prod)))


def subscribed(arn: str) -> dict[str, Any]:
    one = {"SubscriptionArn": arn, "Owner": ACCOUNT, "Protocol": "email", "Endpoint": "operator@example.com"}
    return {"Subscriptions": [one]}


REST_APIS = ("apigateway", "GetRestApis")
TOPIC = ("sns", "ListSubscriptionsByTopic")
CONFIRMED = {TOPIC: subscribed(f"arn:aws:sns:{REGION}:{ACCOUNT}:topic:1")}


def test_an_account_in_which_nothing_is_in_the_way_gives_no_findings(said: Said) -> None:
    assert said(GOOD) == []


def test_the_stage_s_own_stack_is_not_in_its_way(said: Said, prod: Assembly) -> None:
    assert said(deployed(prod) | CONFIRMED) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_an_account_with_one_fault_gives_exactly_that_finding(said: Said, fault: str) -> None:
    check, answers, words = FAULTS[fault]
    ((name, finding),) = said(GOOD | answers)

    assert (name, type(finding)) == (check, Finding)
    assert [word for word in words if word not in str(finding)] == []


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("CREATE_FAILED", "delete the stack"),
        ("DELETE_FAILED", "delete the stack again"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "wait"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "wait"),
    ],
)
def test_a_stack_that_cannot_be_updated_is_named_with_the_way_out(
    said: Said, prod: Assembly, status: str, remedy: str
) -> None:
    ((name, finding),) = said(deployed(prod, status) | CONFIRMED)

    assert name == "state of the stack"
    assert status in str(finding)
    assert remedy in str(finding)


def test_what_a_first_deployment_that_failed_has_kept_is_left_over(said: Said, prod: Assembly) -> None:
    account = deployed(prod, "ROLLBACK_COMPLETE")
    resources: Any = account["cloudformation", "ListStackResources"]
    for one in resources["StackResourceSummaries"]:
        one["ResourceStatus"] = "DELETE_SKIPPED" if one["ResourceType"] == "AWS::Logs::LogGroup" else "DELETE_COMPLETE"
    key = {("kms", "DescribeKey"): {"KeyMetadata": {"KeyId": "1", "KeyState": "Enabled"}}}

    found = dict(said(account | key))

    assert "delete the stack" in str(found["state of the stack"])
    assert "/tagged-image-manager/prod/inspect" in str(found["log groups"])
    assert "key/1" in str(found["resources left over"])


def test_a_stack_that_was_only_reviewed_counts_as_none(said: Said, prod: Assembly) -> None:
    stacks = deployed(prod, "REVIEW_IN_PROGRESS")[("cloudformation", "DescribeStacks")]

    assert said(GOOD | {("cloudformation", "DescribeStacks"): stacks}) == []


@pytest.mark.parametrize("answer", [subscribed("PendingConfirmation"), {"Subscriptions": []}])
def test_an_address_for_alarms_that_is_not_confirmed_is_named(
    said: Said, prod: Assembly, answer: dict[str, Any]
) -> None:
    ((name, finding),) = said(deployed(prod) | {TOPIC: answer})

    assert name == "alarm addresses"
    assert "operator@example.com not confirmed" in str(finding)


def test_a_hundred_executions_have_to_stay_unreserved(said: Said, prod: Assembly) -> None:
    wanted = prod.reserved_concurrency
    assert wanted > 400
    enough, short = (GOOD | {("lambda", "GetAccountSettings"): limits(1000, wanted + left)} for left in (100, 99))

    assert said(enough) == []
    ((_, finding),) = said(short)
    assert f"{wanted} to reserve, and 100 that stay unreserved" in str(finding)
    assert "1001 or more" in str(finding)


def test_what_the_stack_has_reserved_already_is_not_needed_again(said: Said, prod: Assembly) -> None:
    reserved = {
        name: one["Properties"].get("ReservedConcurrentExecutions", 0)
        for name, one in prod.template["Resources"].items()
        if one["Type"] == "AWS::Lambda::Function"
    }
    account = deployed(prod) | CONFIRMED
    account |= {("lambda", "GetAccountSettings"): limits(1000, 1000 - sum(reserved.values()))}

    assert [name for name, _ in said(account)] == ["Lambda concurrency"]

    account |= {
        ("lambda", "GetFunctionConcurrency"): lambda asked: {
            "ReservedConcurrentExecutions": reserved[asked["FunctionName"]]
        }
    }
    assert said(account) == []


def test_a_quota_that_was_never_changed_is_the_default(said: Said) -> None:
    account: Answers = GOOD | {
        ("service-quotas", "GetServiceQuota"): Refusal("NoSuchResourceException"),
        ("service-quotas", "GetAWSDefaultServiceQuota"): only("L-F678F1CE", 1),
    }

    ((name, finding),) = said(account)

    assert name == "quota VPCs per Region"
    assert "1 used of 1" in str(finding)


def test_what_the_stack_has_already_needs_no_more_of_a_quota(said: Said, prod: Assembly) -> None:
    full: Answers = {
        ("rds", "DescribeDBClusters"): {"DBClusters": [{"DBClusterIdentifier": "its-own"}]},
        ("service-quotas", "GetServiceQuota"): only("L-952B80B8", 1),
    }

    assert said(deployed(prod) | CONFIRMED | full) == []
    assert [name for name, _ in said(GOOD | full)] == ["quota DB clusters"]


def test_apis_that_are_not_regional_do_not_count_for_the_quota_of_those_that_are(said: Said) -> None:
    api = {"id": "1", "name": "another", "endpointConfiguration": {"types": ["EDGE"]}}

    assert (
        said(GOOD | {REST_APIS: {"items": [api]}, ("service-quotas", "GetServiceQuota"): only("L-AA0FF27B", 1)}) == []
    )


def test_a_deployment_needs_room_for_each_function_twice_and_for_the_layer(directory: Path, prod: Assembly) -> None:
    """For the function as it is, and for the version of it."""
    function, layer = sorted(file.stat().st_size for file in directory.glob("asset.*.zip"))

    assert len(prod.of_type("AWS::Lambda::Version")) == 7
    assert prod.code_bytes == 2 * 7 * function + layer


def test_web_acls_on_every_page_are_counted(said: Said) -> None:
    acl = {"Name": "n", "Id": "i", "ARN": f"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/n/i"}
    account: Answers = GOOD | {
        ("wafv2", "ListWebACLs"): lambda asked: (
            {"WebACLs": [acl]} | ({} if "NextMarker" in asked else {"NextMarker": "n"})
        ),
        ("service-quotas", "GetServiceQuota"): only("L-2EC3DE7B", 2),
    }

    ((_, finding),) = said(account)

    assert "2 used of 2" in str(finding)


def test_a_key_that_is_scheduled_for_deletion_is_not_left_over(said: Said) -> None:
    assert said(NEW) == []


NEW: Answers = GOOD | {
    ("resourcegroupstaggingapi", "GetResources"): {"ResourceTagMappingList": [{"ResourceARN": KEY}]},
    ("kms", "DescribeKey"): {"KeyMetadata": {"KeyId": "1", "KeyState": "PendingDeletion"}},
    ("service-quotas", "GetServiceQuota"): Refusal("NoSuchResourceException"),
    ("service-quotas", "GetAWSDefaultServiceQuota"): quota,
}
"""An account without the stack, in which every call is made that can be made there."""


@pytest.fixture
def accounts(prod: Assembly) -> list[Answers]:
    return [NEW, deployed(prod) | CONFIRMED]


def test_the_calls_are_those_of_the_policy_and_only_read(said: Said, player: Player, accounts: list[Answers]) -> None:
    played, methods = set[Operation](), set[str]()
    for account in accounts:
        assert said(account) == []
        played |= set(player.played)
        methods |= player.rest_methods

    assert played == set(ACTIONS)
    assert [one for one in played if not re.match("Describe|Get|List|Head", one[1])] == []
    assert methods == {"GET", "HEAD"}
    (statement,) = calls.policy()["Statement"]
    assert statement["Action"] == sorted({ACTIONS[one] for one in played})


def test_every_permission_of_the_policy_is_one_that_aws_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--policy"]) == 0
    (statement,) = json.loads(capsys.readouterr().out)["Statement"]
    services = json.loads(SERVICE_AUTHORIZATION.read_text())
    known = {f"{prefix}:{action}".lower() for prefix, service in services.items() for action in service["Actions"]}

    assert [action for action in statement["Action"] if action.lower() not in known] == []


SAY_WHEN_DENIED = [one for one in ACTIONS if one not in {("s3", "HeadBucket"), ("sts", "GetCallerIdentity")}]
"""To S3, a bucket that one may not see and a bucket of another account are the same: its name is taken."""


@pytest.mark.parametrize("operation", SAY_WHEN_DENIED, ids=":".join)
def test_without_a_permission_it_is_named_and_the_other_checks_are_made(
    said: Said, accounts: list[Answers], operation: Operation
) -> None:
    action = ACTIONS[operation]
    denied = {one: Refusal("AccessDeniedException", 403) for one, needs in ACTIONS.items() if needs == action}

    answers = said(accounts[operation not in NEW] | denied)

    assert 0 < len(answers) < len(CHECKS)
    assert [one for _, one in answers if not isinstance(one, NotChecked)] == []
    assert {str(one).partition(".")[0] for _, one in answers} == {f"The permission {action} is missing"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", "The credentials are not accepted"),
        ("InvalidClientTokenId", "The credentials are not accepted"),
        ("AccessDenied", "The permission sts:GetCallerIdentity is missing"),
    ],
)
def test_without_valid_credentials_nothing_is_checked(
    player: Player, directory: Path, code: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    account: Answers = GOOD | {("sts", "GetCallerIdentity"): Refusal(code, 403)}

    assert command.main(["--assembly", str(directory)], player.of(account)) == 2
    assert words in capsys.readouterr().err
    assert player.played == [("sts", "GetCallerIdentity")]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "No region"),
        ({"AWS_REGION": REGION}, "Unable to locate credentials"),
        ({"AWS_PROFILE": "nope"}, "The config profile (nope) could not be found"),
    ],
)
def test_without_a_region_or_credentials_it_says_what_to_set(
    directory: Path,
    tmp_path: Path,
    environment: dict[str, str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nowhere = {"AWS_CONFIG_FILE": str(tmp_path), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    for name, value in (nowhere | environment | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)

    assert command.main(["--assembly", str(directory)]) == 2
    assert words in capsys.readouterr().err


OLD_BOOTSTRAP = FAULTS["old bootstrap"][1]
MAY_NOT_LIST = {("kms", "ListKeys"): Refusal("AccessDeniedException")}


@pytest.mark.parametrize(
    ("faults", "code", "words"),
    [
        ({}, 0, "0 findings, 0 not checked"),
        (OLD_BOOTSTRAP, 1, "CDKToolkit, is missing or too old (found: version 5; needed: version 6 or newer): run"),
        (MAY_NOT_LIST, 2, "Not checked: quota Customer Master Keys (CMKs). The permission kms:ListKeys is missing."),
        (OLD_BOOTSTRAP | MAY_NOT_LIST, 1, "1 findings, 1 not checked"),
    ],
)
def test_the_exit_code_says_whether_anything_was_found(
    player: Player,
    directory: Path,
    faults: Answers,
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--assembly", str(directory)], player.of(GOOD | faults)) == code
    assert words in capsys.readouterr().out


def test_before_a_stage_is_synthesized_it_says_so(
    player: Player, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--assembly", str(tmp_path / "none")], player.of(GOOD)) == 2
    assert "Run `make synth STAGE=dev` first" in capsys.readouterr().err


def test_an_answer_that_aws_does_not_give_is_not_played(said: Said) -> None:
    invented: Answers = GOOD | {("kms", "ListKeys"): {"Keys": [{"KeyState": "Enabled"}]}}

    with pytest.raises(AssertionError, match="Unknown parameter"):
        said(invented)
