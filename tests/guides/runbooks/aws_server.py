"""The AWS CLI without its start-up, which takes half a second: a process that has loaded it forks for each command.

`python -m tests.guides.runbooks.aws_server DIRECTORY` serves the program `aws` that it writes into the directory.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from awscli.clidriver import create_clidriver

_USED = ("cloudformation", "cognito-idp", "events", "lambda", "s3api", "secretsmanager", "sqs")

_CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
server.sendall(request)
sys.exit((server.recv(1) or b"\\xff")[0])
"""


def main(directory: Path) -> None:
    driver = create_clidriver()
    for name in _USED:
        driver._get_command_table()[name]._get_command_table()
    address = directory / "socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen(16)
    draft = directory / "aws.new"
    draft.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
    draft.chmod(0o755)
    draft.rename(directory / "aws")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the forks are not waited for
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            _run(driver, client)
        client.close()


def _run(driver: Any, client: socket.socket) -> None:
    code = 255
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        size, descriptors, _, _ = socket.recv_fds(client, 4, 3)
        request = b""
        while len(request) < int.from_bytes(size, "big"):
            request += client.recv(65_536)
        arguments, environment, directory = json.loads(request)
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory)
        # The CLI has addresses of its own for SQS, whatever AWS_ENDPOINT_URL says.
        code = driver.main(["--endpoint-url", environment["AWS_ENDPOINT_URL"], *arguments])
        sys.stdout.flush()
    finally:
        client.sendall(bytes([code & 255]))
        os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
