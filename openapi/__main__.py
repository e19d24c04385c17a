"""`python -m openapi` writes every generated document; with `--check` it fails if one is not as it would be written."""

import sys
from pathlib import Path

from openapi import DOCUMENT, ERRORS, REFERENCE, ROOT, document, errors_page, reference


def documents() -> dict[Path, str]:
    made = document.made()
    return {DOCUMENT: document.as_yaml(made), REFERENCE: reference.made(made), ERRORS: errors_page.made()}


def main() -> int:
    written = documents()
    stale = [file for file, text in written.items() if not file.exists() or file.read_text() != text]
    if "--check" in sys.argv[1:]:
        for file in stale:
            print(f"{file.relative_to(ROOT)} is not what the code says; `make docs` writes it.", file=sys.stderr)
        return 1 if stale else 0
    for file in stale:
        file.parent.mkdir(exist_ok=True)
        file.write_text(written[file])
        print(f"Wrote {file.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
