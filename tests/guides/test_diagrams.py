"""Each diagram is what its source says just now."""

import shutil
import subprocess
from pathlib import Path

from local import ROOT


def test_the_diagrams_are_as_drawn_anew_to_the_byte(tmp_path: Path) -> None:
    drawn = shutil.copytree(ROOT / "diagrams", tmp_path / "diagrams", ignore=shutil.ignore_patterns("*.svg"))
    subprocess.run(["make", "-s", "diagrams", f"DIAGRAMS={drawn}"], cwd=ROOT, check=True)

    for source in drawn.glob("*/*.d2"):
        picture = source.with_suffix(".svg")
        assert picture.read_bytes() == (ROOT / "diagrams" / picture.relative_to(drawn)).read_bytes(), picture.name
    assert len(list(drawn.glob("*/*.svg"))) == len(list(ROOT.glob("diagrams/*/*.svg"))) > 0
