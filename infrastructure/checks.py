"""cfn-lint and checkov over a template."""

import subprocess
import sys
from pathlib import Path

ACCEPTED_BY_LINT = {"W3005": "CDK writes down dependencies that references imply already."}


def complaints(template: Path) -> str:
    """What they find that is not accepted; empty: nothing."""
    programs = Path(sys.executable).parent
    ignored = [option for rule in ACCEPTED_BY_LINT for option in ("-i", rule)]
    lint = [str(programs / "cfn-lint"), *ignored, "--", str(template)]
    checkov = [str(programs.parent / "checkov" / "bin" / "checkov"), "--framework", "cloudformation"]
    return _said(lint) + _said([*checkov, "--compact", "--quiet", "--skip-download", "-f", str(template)])


def _said(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr
