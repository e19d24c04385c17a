"""Sends files through a running stack and prints what became of each: type, attributes, preview, reason.

    make serve   # in another terminal
    .venv/bin/python benchmarks/inspection_table.py --stack .local/stack.json --sheet sheet.png [FILE …]

Without files it takes all that come with pydicom, broken ones among them. The sheet shows every preview.
"""

import argparse
import io
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pydicom.data
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1]))

from local import tokens

CELL, CAPTION, ACROSS = 190, 16, 10
WITHIN_SECONDS = 120


def test_files() -> list[Path]:
    """All that come with pydicom's wheel, but its code."""
    place = Path(pydicom.data.__file__).parent
    return sorted(path for path in place.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))


def sent(client: httpx.Client, files: Sequence[Path]) -> list[int]:
    """The ids of their images."""
    ids = []
    for path in files:
        draft = {"filename": path.name, "size": path.stat().st_size, "content_type": "application/octet-stream"}
        upload = client.post("/images", json=draft).raise_for_status().json()
        put = httpx.put(upload["upload_url"], headers=upload["upload_headers"], content=path.read_bytes())
        put.raise_for_status()
        ids.append(upload["id"])
    return ids


def inspected(client: httpx.Client, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Their records, once each has been inspected."""
    deadline = time.monotonic() + WITHIN_SECONDS
    found: dict[int, dict[str, Any]] = {}
    while len(found) < len(ids):
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(ids) - len(found)} of {len(ids)} files were not inspected in time.")
        for image_id in [each for each in ids if each not in found]:
            record = client.get(f"/images/{image_id}").raise_for_status().json()
            if record["attributes"] or record["status"] == "rejected":
                found[image_id] = record
        time.sleep(0.2)
    return [found[image_id] for image_id in ids]


def rows(names: Sequence[str], records: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str, int, str, str]]:
    for name, record in zip(names, records, strict=True):
        attributes = record["attributes"]
        preview = "yes" if record["preview_url"] else "no"
        reason = record["rejection"] or attributes.get("NoPreview", "")
        kept = len([keyword for keyword in attributes if keyword not in ("Format", "NoPreview")])
        yield name, attributes.get("Format", record["status"]), kept, preview, reason


def sheet(names: Sequence[str], records: Sequence[dict[str, Any]]) -> Image.Image:
    shown = [
        (name, record["preview_url"]) for name, record in zip(names, records, strict=True) if record["preview_url"]
    ]
    height = -(-len(shown) // ACROSS) * (CELL + CAPTION)
    page = Image.new("RGB", (ACROSS * CELL, height), "#334")
    pen = ImageDraw.Draw(page)
    for number, (name, url) in enumerate(shown):
        across, down = number % ACROSS * CELL, number // ACROSS * (CELL + CAPTION)
        page.paste(_fitted(Image.open(io.BytesIO(httpx.get(url).raise_for_status().content))), (across + 3, down + 3))
        pen.text((across + 3, down + CELL), name[-30:], fill="white")
    return page


def _fitted(preview: Image.Image) -> Image.Image:
    scale = (CELL - 6) / max(preview.size)
    size = max(1, round(preview.width * scale)), max(1, round(preview.height * scale))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return preview.convert("RGB").resize(size, way)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", type=Path, default=Path(".local/stack.json"))
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    options = parser.parse_args()
    files = options.files or test_files()
    stack = json.loads(options.stack.read_text())
    headers = {"Authorization": f"Bearer {tokens.password_token(stack, 'editor')}"}
    with httpx.Client(base_url=stack["api_url"], headers=headers, timeout=60) as client:
        names = [f"{path.parent.name}/{path.name}" for path in files]
        begun = time.monotonic()
        records = inspected(client, sent(client, files))
        print(f"{'file':50} {'type':10} {'attributes':>10} {'preview':8} reason")
        for row in rows(names, records):
            print("{:50} {:10} {:10} {:8} {}".format(*row))
        print(f"{len(files)} files in {time.monotonic() - begun:.1f} s")
        if options.sheet:
            sheet(names, records).save(options.sheet)


if __name__ == "__main__":
    main()
