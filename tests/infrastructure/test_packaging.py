"""The zip that is deployed."""

import hashlib
import importlib.util
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from infrastructure import packaging, roles
from infrastructure.packaging import PackagingError, Target


def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as archive:
        return archive.namelist()


def test_it_stays_far_below_what_lambda_takes(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())

    assert package.stat().st_size <= 25_000_000
    assert unpacked <= 70_000_000


def test_function_and_layer_together_stay_below_what_lambda_takes(package: Path, layer: Path) -> None:
    unpacked = 0
    for each in (package, layer):
        with zipfile.ZipFile(each) as archive:
            unpacked += sum(entry.file_size for entry in archive.infolist())

    assert unpacked <= 220_000_000
    assert layer.stat().st_size <= 50_000_000


def test_the_layer_has_nothing_that_the_function_has(package: Path, layer: Path) -> None:
    in_layer = {name.removeprefix("python/") for name in names(layer)}

    assert all(name.startswith("python/") for name in names(layer))
    assert in_layer.isdisjoint(names(package))


def test_made_again_it_is_the_same_to_the_byte(package: Path, tmp_path: Path) -> None:
    again = packaging.build(Target.here(), tmp_path / "again.zip")

    assert again.read_bytes() == package.read_bytes()


def test_every_module_comes_with_bytecode_that_is_taken_without_a_look_at_its_source(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        sources = [name for name in archive.namelist() if name.endswith(".py")]
        for source in sources:
            folder, _, module = source.rpartition("/")
            cached = (
                f"{folder}/__pycache__/".lstrip("/")
                + module.removesuffix(".py")
                + f".{sys.implementation.cache_tag}.pyc"
            )
            magic, flags = archive.read(cached)[:4], archive.read(cached)[4:8]
            assert magic == importlib.util.MAGIC_NUMBER, source
            assert flags == b"\x01\x00\x00\x00", source

    assert "app.py" in sources
    assert len(sources) > 500


def test_compiled_modules_are_those_of_the_target(package: Path) -> None:
    compiled = [name for name in names(package) if name.endswith(".so") and "cpython" in name]

    assert compiled
    assert all(f"{sys.implementation.cache_tag}-{Target.here().architecture}-linux-gnu" in name for name in compiled)


def test_nothing_of_the_workshop_goes_along(package: Path) -> None:
    found = {name.split("/")[0].removesuffix(".py") for name in names(package)}

    assert found.isdisjoint(
        {"pytest", "moto", "ministack", "local", "infrastructure", "tests", "mypy", "pip", "uvicorn"}
    )
    assert not [name for name in names(package) if "/tests/" in name or name.endswith(".pyi") or ".dist-info/" in name]


def test_the_public_roots_by_which_the_database_is_known_go_along(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        roots = archive.read(roles.CA_FILE.removeprefix("/var/task/")).decode()

    assert "Amazon Root CA 1" in roots


def test_the_versions_are_the_pinned_ones(package: Path) -> None:
    pinned = dict(re.findall(r"^(\S+)==(\S+)", (packaging.ROOT / "requirements.txt").read_text(), re.MULTILINE))
    with zipfile.ZipFile(package) as archive:
        assert f'__version__ = "{pinned["sqlalchemy"]}"' in archive.read("sqlalchemy/__init__.py").decode()
        assert f"__version__ = '{pinned['botocore']}'" in archive.read("botocore/__init__.py").decode()


def test_a_requirement_without_a_wheel_fails_the_build(tmp_path: Path) -> None:
    source, archived = tmp_path / "setup.py", tmp_path / "only_a_source-1.0.tar.gz"
    source.write_text("from setuptools import setup; setup(name='only-a-source', version='1.0')")
    with tarfile.open(archived, "w:gz") as archive:
        archive.add(source, "only_a_source-1.0/setup.py")
    requirements = asking_for("only-a-source==1.0", archived)

    with pytest.raises(PackagingError, match="only-a-source"):
        packaging.build(Target.here(), tmp_path / "function.zip", requirements)

    assert not (tmp_path / "function.zip").exists()
    assert importlib.util.find_spec("only_a_source") is None


def asking_for(requirement: str, file: Path) -> Path:
    """Requirements that name the hash of this file, which lies beside them."""
    requirements = file.with_name("requirements.txt")
    hashed = f"{requirement} --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    requirements.write_text(f"--find-links {file.parent}\n{hashed}\n")
    return requirements


def wheel(directory: Path, content: str) -> Path:
    """Of a package with one module."""
    file = directory / "a_wheel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a_wheel.py", content)
        archive.writestr("a_wheel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: a-wheel\nVersion: 1.0\n")
        archive.writestr(
            "a_wheel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("a_wheel-1.0.dist-info/RECORD", "a_wheel.py,,\n")
    return file


def test_a_wheel_with_the_pinned_hash_goes_into_the_package(tmp_path: Path) -> None:
    requirements = asking_for("a-wheel==1.0", wheel(tmp_path, "harmless = True\n"))

    assert "a_wheel.py" in names(packaging.build(Target.here(), tmp_path / "function.zip", requirements))


def test_another_wheel_of_the_same_name_and_version_fails_the_build(tmp_path: Path) -> None:
    """As a registry that was broken into would serve it."""
    requirements = asking_for("a-wheel==1.0", wheel(tmp_path, "harmless = True\n"))
    wheel(tmp_path, "harmless = False\n")

    with pytest.raises(PackagingError, match="Hash mismatch"):
        packaging.build(Target.here(), tmp_path / "function.zip", requirements)

    assert not (tmp_path / "function.zip").exists()


def test_a_requirement_without_a_hash_fails_the_build(tmp_path: Path) -> None:
    wheel(tmp_path, "harmless = True\n")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"--find-links {tmp_path}\na-wheel==1.0\n")

    with pytest.raises(PackagingError, match="hash"):
        packaging.build(Target.here(), tmp_path / "function.zip", requirements)
