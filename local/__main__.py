"""The command line: `python -m local serve` and `python -m local token`."""

import argparse
import sys
from pathlib import Path

from local import Trouble


def main() -> int:
    options = _options()
    try:
        if options.command == "token":
            from local import tokens  # noqa: PLC0415  each command imports only what it needs, to start quickly

            print(tokens.token_of(options.state, options.user))
            return 0
        from local import supervisor  # noqa: PLC0415

        return supervisor.serve(options.state, options.port, options.workers)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="local", description="The whole service on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run it until Ctrl-C")
    serve.add_argument("--port", type=_port, default=8000)
    serve.add_argument("--workers", type=_positive, default=2)
    token = commands.add_parser("token", help="print an access token")
    token.add_argument("user", help="editor, viewer, admin, newcomer, machine, machine-read or machine-admin")
    for command in (serve, token):
        command.add_argument("--state", type=lambda text: Path(text).absolute(), default=Path(".local").absolute())
    return parser.parse_args()


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("must be from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
