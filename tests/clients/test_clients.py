"""Clients that public generators make of the served document compile, and do a round trip."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.tokens import password_token

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TYPESCRIPT = HERE / "typescript"
NODE_MODULES = TYPESCRIPT / "node_modules"


@pytest.fixture(scope="module")
def document(stack: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the running stack serves it."""
    served = httpx.get(stack["api_url"].replace("/v1", "/docs/openapi.yml"))
    assert served.status_code == 200
    file = tmp_path_factory.mktemp("document") / "openapi.yml"
    file.write_text(served.text)
    return file


def run(*command: str | Path, **environment: str) -> str:
    """What it says."""
    path = os.pathsep.join((str(BIN), os.environ["PATH"]))
    ran = subprocess.run(
        [str(part) for part in command],
        env=os.environ | {"PATH": path} | environment,
        cwd=TYPESCRIPT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def access(stack: dict[str, Any]) -> dict[str, str]:
    return {"API_URL": stack["api_url"], "TOKEN": password_token(stack, "editor")}


def test_a_generated_python_client_uploads_tags_searches_and_downloads(
    stack: dict[str, Any], document: Path, tmp_path: Path
) -> None:
    script = HERE / "python" / "round_trip.py"
    target = tmp_path / "tagged_image_manager"
    run(BIN / "openapi-python-client", "generate", "--path", document, "--output-path", target, "--meta", "none")

    # All that is made of the document; the generator's own client.py is the same for everyone, and not strict.
    checked = (script, target / "api", target / "models")
    run(BIN / "mypy", "--strict", "--follow-imports=silent", "--config-file=", *checked, MYPYPATH=str(tmp_path))
    said = run(BIN / "python", script, "python-client", PYTHONPATH=str(tmp_path), **access(stack))

    assert int(said) > 0


def test_a_generated_typescript_client_uploads_tags_searches_and_downloads(
    stack: dict[str, Any], document: Path
) -> None:
    generated = TYPESCRIPT / "generated" / "schema.d.ts"
    run(BIN / "node", NODE_MODULES / "openapi-typescript" / "bin" / "cli.js", document, "-o", generated)

    run(BIN / "node", NODE_MODULES / "typescript" / "bin" / "tsc", "--project", TYPESCRIPT)
    said = run(BIN / "node", TYPESCRIPT / "round_trip.ts", "typescript-client", **access(stack))

    assert int(said) > 0
