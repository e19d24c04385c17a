"""The README's walk through, pasted as it stands."""

import json
import os
import re
import subprocess
from pathlib import Path

from local import ROOT
from tests.files import multi_frame_dicom
from tests.local.conftest import Stack


def test_the_walk_through_of_the_readme_works_with_a_dicom_file_of_35_mb(running: Stack, tmp_path: Path) -> None:
    (script,) = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    file = multi_frame_dicom(tmp_path / "large.dcm", 35_000_000)
    script = script.replace("http://127.0.0.1:8000/v1", running.description["api_url"])
    script = re.sub(r"^FILE=.*$", f"FILE={file}", script, flags=re.MULTILINE)

    walk = subprocess.run(
        ["bash", "-uc", script],
        cwd=ROOT,
        env=os.environ | {"STATE": str(running.state)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "The same, byte for byte." in walk.stdout, walk.stdout + walk.stderr
    log = json.loads(walk.stdout.splitlines()[-1])
    assert [record["method"] for record in log["results"]] == ["PUT", "POST"]
