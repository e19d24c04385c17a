"""What a command that fails does to the functions and comparisons of the runbooks, in a shell that goes on after it."""

import os
from collections.abc import Iterator

import pytest

from tests.guides.runbooks import pages
from tests.guides.runbooks.shell import Shell

_AWS = """aws() {
  case "$*" in
    *$REFUSED*) return 254 ;;
    *get-function-configuration*) echo '{}' ;;
    *update-function-configuration*) cat > /dev/null ;;
    *publish-version*) echo 7 ;;
    *update-alias*) echo moved ;;
  esac
}"""


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A session as an operator has it, which does not end when a command fails."""
    with Shell(dict(os.environ)) as session:
        session.paste(f"set +eu; set -o pipefail\n{_AWS}")
        yield session


def block(page: str, containing: str) -> str:
    (text,) = [each.text for every in pages.sections(page).values() for each in every if containing in each.text]
    return text


def test_the_first_block_lets_a_pipe_fail_and_opens_no_pager(shell: Shell) -> None:
    shell.paste("set +o pipefail; REFUSED=nothing")
    shell.paste(block("README", "STACK="))

    assert shell.paste("false | true || echo noticed") == "noticed\n"
    assert shell.paste("env | grep ^AWS_PAGER=") == "AWS_PAGER=\n"


@pytest.mark.parametrize(
    "refused", ["get-function-configuration", "update-function-configuration", "publish-version", "function-updated-v2"]
)
def test_the_alias_stays_when_a_step_of_changing_a_variable_is_refused(shell: Shell, refused: str) -> None:
    shell.paste(block("README", "set_variable()"))

    printed = shell.paste(f"REFUSED={refused}; VALUE=x set_variable f NAME || echo failed")

    assert printed == "failed\n"
    assert shell.paste("REFUSED=nothing; VALUE=x set_variable f NAME") == "moved\n"


def test_rows_that_cannot_be_read_are_not_the_same(shell: Shell) -> None:
    (compare,) = [
        each for each in pages.sections("moving-to-another-account")["7. Compare"] if "echo the same" in each.text
    ]
    shell.paste("sql() { return 1; }; survey() { return 1; }; close_tables() { :; }; BEFORE_MOVE=")

    assert shell.paste(compare.text) == ""


def test_objects_that_cannot_be_listed_are_not_the_same(shell: Shell) -> None:
    compare = block("moving-to-another-account", "OBJECTS_OLD=")
    shell.paste("in_old() { return 1; }; in_new() { return 1; }")

    assert shell.paste(f"{compare} [ $? != 0 ] && echo differs") == "differs\n"


def test_a_key_that_cannot_be_read_is_not_given_to_the_function(shell: Shell) -> None:
    shell.paste("REFUSED=get-secret-value; set_variable() { echo set; }")
    give_key = block("rotation-of-the-identifier-key", "give_key()").removesuffix("give_key\n")

    assert shell.paste(f"{give_key} give_key || echo failed") == "failed\n"
