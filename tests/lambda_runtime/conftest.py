"""The package, unpacked; and what its functions need around them: the stack's PostgreSQL and emulator."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from infrastructure.resources import FUNCTION_ENVIRONMENT
from local import environment
from tests.lambda_runtime import runtime
from tests.lambda_runtime.runtime import Function

DATABASE = "lambda_runtime"

Start = Callable[..., AbstractContextManager[Function]]


@pytest.fixture(scope="session")
def code(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("lambda")
    runtime.runtime_path(directory / "runtime")
    yield runtime.unpack(package, directory / "code")
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def libraries(code: Path, layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where Python finds those of the layer, beside its own."""
    directory = runtime.unpack(layer, tmp_path_factory.mktemp("libraries"))
    yield directory / "python"
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def database(stack: dict[str, Any]) -> str:
    """A new one, without tables: its URL."""
    connection = psycopg2.connect(stack["database_url"])
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {DATABASE}")
    connection.close()
    return f"{stack['database_url'].rpartition('/')[0]}/{DATABASE}"


@pytest.fixture(scope="session")
def start(code: Path, stack: dict[str, Any], database: str) -> Start:
    """Starts a function by its handler's name."""
    return partial(_running, code, settings_of(stack | {"database_url": database}))


def settings_of(stack: dict[str, Any]) -> dict[str, str]:
    """Returns the environment of functions that use the parts of this stack."""
    given = environment.of_service(stack)
    wanted = ("DATABASE_URL", "IMAGE_BUCKET", "ACCESS_LOG_TABLE", "USER_POOL_ARN")
    kept = {name: value for name, value in given.items() if name in wanted or name.startswith("AWS_")}
    keys = {name.upper(): stack[name] for name in ("aws_access_key_id", "aws_secret_access_key")}
    return FUNCTION_ENVIRONMENT | kept | keys


def _running(code: Path, settings: dict[str, str], handler: str, **changed: str) -> AbstractContextManager[Function]:
    return runtime.running(f"app.{handler}", code, settings | changed)


@pytest.fixture(scope="session")
def migrated(start: Start) -> None:
    with start("migrate") as function:
        assert function.invoke({}).kind == "response"
