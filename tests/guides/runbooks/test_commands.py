"""Each command of the AWS CLI in the documentation is one that the CLI has, and each block is a script."""

import re
import subprocess
from pathlib import Path

import pytest

from chalicelib.database.tables import Image
from local import ROOT
from tests.guides.runbooks import pages
from tests.guides.runbooks.commands import Command, commands, complaint

DOCUMENTS = [*ROOT.glob("*.md"), *sorted((ROOT / "design-docs").rglob("*.md"))]
WITH_COMMANDS = [page for page in DOCUMENTS if next(commands(page.read_text()), None)]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_the_aws_cli_has_each_command_and_option_of_a_page(page: Path) -> None:
    found = {f"line {each.line}: {' '.join(each.words)}": complaint(each) for each in commands(page.read_text())}

    assert {command: said for command, said in found.items() if said} == {}


def test_the_pages_with_commands_are_found() -> None:
    assert {page.name for page in pages.PAGES} | {"operating.md"} <= {page.name for page in WITH_COMMANDS}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("s3api head-object --bucket b --key k --query X --region r", None),
        ("s3 cp --recursive a b --exclude c", None),
        ("rds wait db-cluster-available --db-cluster-identifier c", None),
        ("lambda update-event-source-mapping --uuid u --no-enabled", None),
        ("cloudformation update-termination-protection --stack-name s --no-enable-termination-protection", None),
        ("cloud watch", "There is no command cloud."),
        ("s3api head-objects --bucket b", "There is no command head-objects."),
        ("s3api head-object --bucket b --keys k", "There is no option --keys."),
        ("s3api head-object --bucket b", "--key is missing."),
        ("rds wait db-cluster-done", "There is no command db-cluster-done."),
    ],
)
def test_a_command_that_the_aws_cli_has_not_is_noticed(command: str, said: str | None) -> None:
    assert complaint(Command(1, tuple(command.split()), is_whole=True)) == said


def test_commands_are_found_wherever_a_page_has_them() -> None:
    page = (
        "Say aws is fine, or `aws s3 ls --recursive` or\n\n"
        "    X=$(aws a b --c \"$(aws d e | f)\" --g 'h | i; j') | k\n\n"
        '```sh\n# aws\naws l m \\\n  --n "o|p" --q "\\"r\\" \'$(s "t")\'" > u\n```\n'
    )

    assert [(each.line, each.words, each.is_whole) for each in commands(page)] == [
        (7, ("l", "m", "--n", "o|p", "--q", "\"r\" 'SUBSTITUTED'"), True),
        (3, ("a", "b", "--c", "SUBSTITUTED", "--g", "h | i; j"), True),
        (3, ("d", "e"), True),
        (1, ("s3", "ls", "--recursive"), False),
    ]


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.stem)
def test_a_runbook_is_made_of_blocks_that_are_scripts(page: Path) -> None:
    found = [block for blocks in pages.sections(page.stem).values() for block in blocks]

    assert found
    assert {block.language for block in found} == {"sh"}
    assert page.read_text().count("```") == 2 * sum(1 if block.output is None else 2 for block in found)
    for block in found:
        done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"Line {block.line}: {done.stderr}"


def test_rows_are_copied_with_every_column() -> None:
    text = (pages.HOME / "README.md").read_text()
    (named,) = re.findall(r"INSERT INTO images \((.*?)\)", text, re.DOTALL)
    columns = [each.name for each in Image.__table__.columns if each.computed is None]

    assert [name.strip() for name in named.split(",")] == columns


def test_the_runbooks_are_all_in_the_table() -> None:
    listed = (pages.HOME / "README.md").read_text()

    assert [page.name for page in pages.PAGES if page.name != "README.md" and f"({page.name})" not in listed] == []
