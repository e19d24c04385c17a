"""Uploads through every kind of interruption."""

import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from local import tokens
from tests.conftest import aws_client, eventually
from tests.files import JPEG
from tests.local.conftest import Stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


class Uploader:
    """Registers and puts files until the service is gone; knows whose PUT was answered."""

    def __init__(self, client: httpx.Client) -> None:
        self.answered: list[int] = []
        self._client = client

    def run(self) -> None:
        with self._client, httpx.Client(timeout=5) as storage:
            while True:
                try:
                    self._upload(storage)
                except httpx.HTTPError:
                    return

    def _upload(self, storage: httpx.Client) -> None:
        image = self._client.post("images", json={"filename": "a.dcm", "size": 20_000}).raise_for_status().json()
        storage.put(
            image["upload_url"], content=JPEG + bytes(19_996), headers=image["upload_headers"]
        ).raise_for_status()
        self.answered.append(image["id"])


def test_every_image_whose_put_was_answered_is_present_after_everything_was_killed(a_stack: Stack) -> None:
    a_stack.start()
    uploaders = [Uploader(a_stack.client()) for _ in range(4)]

    with ThreadPoolExecutor() as threads:
        running = [threads.submit(uploader.run) for uploader in uploaders]
        eventually(lambda: all(len(uploader.answered) >= 10 for uploader in uploaders))
        for pid in a_stack.processes():
            os.kill(pid, signal.SIGKILL)
        for done in running:
            done.result()
    assert a_stack.process is not None
    a_stack.process.wait(10)
    a_stack.start()

    answered = {image_id for uploader in uploaders for image_id in uploader.answered}
    with a_stack.client() as client:
        eventually(lambda: answered <= present(client), of="every answered upload")


def present(client: httpx.Client) -> set[int]:
    ids: set[int] = set()
    page: dict[str, Any] = {"meta": {"next_cursor": None, "has_more_pages": True}}
    while page["meta"]["has_more_pages"]:
        cursor = page["meta"]["next_cursor"]
        parameters = {"uploaded_only": "true", "total": "false"} | ({"cursor": cursor} if cursor else {})
        page = client.get("images", params=parameters).raise_for_status().json()
        ids |= {image["id"] for image in page["results"]}
    return ids


def test_half_a_body_is_not_taken_for_a_whole_one(running: Stack) -> None:
    address = urlsplit(running.description["api_url"])
    head = (
        f"POST {address.path}/upload?filename=half.dcm HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {tokens.password_token(running.description, 'editor')}\r\n"
        "Content-Type: application/dicom\r\nContent-Length: 1000\r\n\r\n"
    )

    with socket.create_connection((str(address.hostname), address.port or 80)) as connection:
        connection.sendall(head.encode() + bytes(500))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass

    with running.client() as client:
        assert client.get("images").json()["results"] == []


def test_a_storage_event_that_keeps_failing_ends_among_the_dead_letters(a_stack: Stack) -> None:
    a_stack.start()
    stack = a_stack.description
    sqs = aws_client(stack, "sqs")
    body = '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {}}}]}'

    sqs.send_message(QueueUrl=stack["storage_event_queue"], MessageBody=body)

    def dead() -> list[dict[str, Any]]:
        answer = sqs.receive_message(QueueUrl=stack["storage_event_dead_letters"], WaitTimeSeconds=1)
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    (letter,) = eventually(dead, of="the dead letter")
    assert letter["Body"] == body
