import pytest

from chalicelib.services.callers import Permission, caller_of

PERSON = {"sub": "u-1", "client_id": "app", "username": "ann", "scope": "aws.cognito.signin.user.admin"}
MACHINE = {"sub": "m-1", "client_id": "m-1"}


@pytest.mark.parametrize(
    ("groups", "permission"),
    [
        ("viewers", Permission.READ),
        ("editors", Permission.WRITE),
        ("admins", Permission.ADMIN),
        ("viewers,admins,editors", Permission.ADMIN),
        ("radiologists,viewers", Permission.READ),
    ],
)
def test_a_person_has_what_the_highest_of_their_groups_permits(groups: str, permission: Permission) -> None:
    assert caller_of({**PERSON, "cognito:groups": groups}, "editors").permission == permission


@pytest.mark.parametrize(
    ("role", "permission"),
    [
        ("editors", Permission.WRITE),
        ("viewers", Permission.READ),
        ("admins", Permission.ADMIN),
        ("none", Permission.NONE),
    ],
)
def test_a_person_in_no_group_of_ours_has_the_default_role(role: str, permission: Permission) -> None:
    assert caller_of(PERSON, role).permission == permission
    assert caller_of({**PERSON, "cognito:groups": "radiologists"}, role).permission == permission


def test_a_person_gains_nothing_by_the_scopes_of_their_sign_in() -> None:
    claims = {**PERSON, "scope": "openid tagged-image-manager/admin", "cognito:groups": "viewers"}

    assert caller_of(claims, "editors").permission == Permission.READ


@pytest.mark.parametrize(
    ("scope", "permission"),
    [
        ("tagged-image-manager/read", Permission.READ),
        ("tagged-image-manager/read tagged-image-manager/write", Permission.WRITE),
        ("tagged-image-manager/admin", Permission.ADMIN),
        ("another-server/admin", Permission.NONE),
        ("", Permission.NONE),
    ],
)
def test_a_machine_has_what_its_scopes_say(scope: str, permission: Permission) -> None:
    assert caller_of({**MACHINE, "scope": scope}, "admins").permission == permission


def test_a_machine_gains_nothing_by_groups() -> None:
    claims = {**MACHINE, "scope": "tagged-image-manager/read", "cognito:groups": "admins"}

    assert caller_of(claims, "admins").permission == Permission.READ


def test_people_are_known_by_sub_and_machines_by_client_id() -> None:
    assert caller_of(PERSON, "editors").id == "u-1"
    assert caller_of({**MACHINE, "scope": ""}, "editors").id == "m-1"


@pytest.mark.parametrize(
    "claims", [{**PERSON, "cognito:groups": "admins"}, {**MACHINE, "scope": "tagged-image-manager/admin"}]
)
def test_a_denied_caller_has_no_permission_whatever_the_token_says(claims: dict[str, str]) -> None:
    assert caller_of(claims, "admins").permission == Permission.ADMIN
    for denied in (claims["sub"], claims["client_id"]):
        caller = caller_of(claims, "admins", ("someone-else", denied))
        assert (caller.id, caller.permission) == (claims["sub"], Permission.NONE)
    assert caller_of(claims, "admins", ("someone-else",)).permission == Permission.ADMIN
