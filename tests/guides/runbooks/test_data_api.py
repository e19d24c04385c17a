"""The AWS CLI sends to the Data API what `sql` of the runbooks is given, and `sql` prints what the Data API returns."""

import json
import os
import re
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.guides.runbooks import pages
from tests.guides.runbooks.shell import Shell

RECEIVED: list[dict[str, str]] = []


class DataApi(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        RECEIVED.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = b'{"records": [[{"stringValue": "the first"}], [{"stringValue": "the second"}]]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), DataApi) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_statement_reaches_the_data_api_whole(address: str) -> None:
    readme = (pages.HOME / "README.md").read_text()
    (sql,) = re.findall(r"(?ms)^sql\(\) \{$.*?^\}$", readme)
    statement = "SELECT 'a \"name\"', $$a \\ b$$, " + "1" * 60_000
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": address,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "CLUSTER_ARN": "arn:aws:rds:eu-central-1:123456789012:cluster:images",
        "MASTER_SECRET": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:master",
        "STATEMENT": statement,
    }

    with Shell(environment) as shell:
        printed = shell.paste(f'{sql}\nsql "$STATEMENT"')

    assert printed == "the first\n"
    assert [each["sql"].removesuffix("\n") for each in RECEIVED] == [statement]
    assert RECEIVED[0]["database"] == "images"
