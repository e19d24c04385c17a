"""The zip that every function runs from, and the layer of one of them: `python -m infrastructure.packaging`.

The same whatever machine makes it: wheels for Lambda's platform, bytecode of Lambda's Python, fixed dates and order.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import chalice.app

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "build" / "function.zip"
LAYER = ROOT / "build" / "imaging.zip"
"""The libraries that only the inspection needs."""

AWS_SERVICES = ("dynamodb", "s3", "sqs")
"""Whose API descriptions go with botocore; those of the other four hundred would be most of the zip."""

_CODE = "/var/task"
"""Where Lambda unpacks it, and so what tracebacks name."""

_LAYER = "/opt/python"

_NOT_RUN = {"tests", "testing", "bin", "examples", "templates"}
"""Directories of what is installed; beside them the wheels' own records."""

_NOT_RUN_PATHS = ("pydicom/data/test_files", "pydicom/data/charset_files", "pydicom/data/palettes", "numpy/f2py")

_ASKED_FOR = ("pydicom", "pylibjpeg")
"""Wheels that ask for their own record: which version they are, and which decoders there are."""

_NOT_RUN_SUFFIXES = {".pyi", ".pyx", ".pxd", ".c", ".typed"}


class PackagingError(Exception):
    """The zip cannot be made; the message is the tool's own."""


@dataclass(frozen=True)
class Target:
    """What the zip is to run on. x86_64, though arm64 costs a fifth less: the very bytes that are deployed can then be
    run by the tests, on the machines that the tests run on."""

    architecture: str = "x86_64"
    python: str = "3.13"

    @classmethod
    def here(cls) -> "Target":
        """What this very process could run: on x86_64 with Python 3.13 the same as Lambda."""
        return cls(platform.machine(), f"{sys.version_info.major}.{sys.version_info.minor}")


LAMBDA = Target()


def build(target: Target = LAMBDA, package: Path = PACKAGE, requirements: Path = ROOT / "requirements.txt") -> Path:
    """Raises PackagingError, above all when a requirement has no wheel for the target."""
    with tempfile.TemporaryDirectory() as directory:
        content = Path(directory)
        _install(target, requirements, content)
        _drop_what_is_not_run(content)
        _copy_ours(content)
        _compile(target, content)
        package.parent.mkdir(parents=True, exist_ok=True)
        _zip(content, package)
    return package


def build_layer(
    target: Target = LAMBDA, layer: Path = LAYER, requirements: Path = ROOT / "requirements-imaging.txt"
) -> Path:
    """Raises PackagingError. What the function's own zip has is not in it."""
    with tempfile.TemporaryDirectory() as directory:
        content = Path(directory) / "python"
        _install(target, requirements, content)
        _drop_what_is_not_run(content)
        _compile(target, content, _LAYER)
        layer.parent.mkdir(parents=True, exist_ok=True)
        _zip(content.parent, layer)
    return layer


def _install(target: Target, requirements: Path, content: Path) -> None:
    """Every requirement is pinned, those of requirements too, so none is looked for beyond the file; a file that is not
    one of those that were pinned, by their hashes, is refused."""
    wheels = ["--only-binary", ":all:", "--python-platform", f"{target.architecture}-manylinux_2_28"]
    options = ["--no-deps", "--python-version", target.python, "--link-mode", "copy", "--target", str(content)]
    _run([_uv(), "pip", "install", "--quiet", "--require-hashes", *wheels, *options, "-r", str(requirements)])


def _drop_what_is_not_run(content: Path) -> None:
    for path in _files(content):
        if not _is_run(path.relative_to(content)):
            path.unlink()


def _is_run(path: Path) -> bool:
    if path.name in ("METADATA", "entry_points.txt") and path.parts[0].startswith(_ASKED_FOR):
        return True
    if path.parts[:2] == ("pydicom", "examples"):  # which pydicom imports
        return True
    if path.suffix in _NOT_RUN_SUFFIXES or path.parts[0].endswith((".dist-info", ".lock")):
        return False
    if _NOT_RUN.intersection(path.parts) or str(path).startswith(_NOT_RUN_PATHS):
        return False
    described = path.parts[0] in ("boto3", "botocore") and path.parts[1] == "data" and len(path.parts) > 3
    return not described or path.parts[2] in AWS_SERVICES


def _copy_ours(content: Path) -> None:
    """With Chalice's runtime, which is two files of it: the rest of Chalice is for deploying."""
    sources = [ROOT / "app.py", *(ROOT / "chalicelib").rglob("*.py"), *(ROOT / "chalicelib").rglob("*.txt")]
    runtime = Path(chalice.app.__file__).parent
    copies = {source: content / source.relative_to(ROOT) for source in sources}
    copies |= {runtime / name: content / "chalice" / name for name in ("__init__.py", "app.py")}
    for source, copy in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


def _compile(target: Target, content: Path, place: str = _CODE) -> None:
    """To bytecode that is taken without a look at its source: dates in a zip say nothing. By a process of its own, for
    what else a process has compiled shows in the bytes."""
    options = ["-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(content), "-p", place, str(content)]
    python = [sys.executable] if target.python == Target.here().python else _other_python(target.python)
    _run([*python, "-m", "compileall", *options])


def _other_python(version: str) -> list[str]:
    """Fetched, if this machine has none."""
    return [_uv(), "run", "--quiet", "--no-project", "--python", version, "python"]


def _zip(content: Path, package: Path) -> None:
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in _files(content):
            entry = zipfile.ZipInfo(str(path.relative_to(content)))
            entry.external_attr = (0o100755 if path.suffix == ".so" else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def _files(directory: Path) -> Iterator[Path]:
    return iter(sorted(path for path in directory.rglob("*") if path.is_file()))


def _uv() -> str:
    return str(Path(sys.executable).with_name("uv"))


def _run(command: list[str]) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise PackagingError(done.stdout + done.stderr)


def contents(package: Path) -> list[tuple[str, int, int]]:
    """What is in it, the largest first: the name at the top, bytes in the zip, bytes unpacked."""
    zipped, unpacked = Counter[str](), Counter[str]()
    with zipfile.ZipFile(package) as archive:
        for entry in archive.infolist():
            name = entry.filename.split("/")[0]
            zipped[name] += entry.compress_size
            unpacked[name] += entry.file_size
    return [(name, zipped[name], size) for name, size in unpacked.most_common()]


def main() -> int:
    try:
        made = [build(), build_layer()]
    except PackagingError as error:
        print(error, file=sys.stderr)
        return 1
    for package in made:
        rows = contents(package)
        print(f"{package.relative_to(ROOT)!s:32}{'zipped':>12}{'unpacked':>12}")
        for name, zipped, unpacked in [*rows, ("all", package.stat().st_size, sum(row[2] for row in rows))]:
            print(f"{name:32}{zipped / 1e6:9.2f} MB{unpacked / 1e6:9.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
