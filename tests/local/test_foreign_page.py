"""A page of another origin, in a real browser, while `make serve` runs: what it can do, and what it cannot."""

import hashlib
import http.server
import json
import platform
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
from botocore.credentials import Credentials

from local import tokens
from tests.files import JPEG
from tests.local.emulation import CONTENT, KEY, Call, Emulation, cognito_call, json_call

pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="npm's Chromium is for Linux on x86_64"
)

EVIL, REBOUND = "evil.example", "rebound.example"
"""The page's own name, and one that leads to the emulator and the gateway."""

ATTACK = """async (attacks) => {
  const done = [], simple = ["text/plain", "application/x-www-form-urlencoded"];
  const note = (how, url, text) => done.push([how, url, text]);
  const within = (promise) => Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 5000))]);
  const put = (tag, more) => document.body.appendChild(Object.assign(document.createElement(tag), more));
  const frame = () => put("iframe", { name: "x" + Math.random() });
  const loaded = (element) => within(new Promise((resolve) => { element.onload = element.onerror = resolve; }));
  const attempts = attacks.map(async ({ method, url, headers, body }) => {
    const content = ["GET", "HEAD"].includes(method) ? undefined : body;
    for (const [how, more] of [["cors", headers], ["cors, as text", { "Content-Type": "text/plain" }]]) {
      try {
        const answer = await fetch(url, { method, headers: more, body: content });
        note(how, url, answer.status + " " + (await answer.text()));
      } catch { note(how, url, "blocked"); }
    }
    if (["GET", "POST"].includes(method)) {
      for (const type of simple) {
        await fetch(url, { method, mode: "no-cors", headers: { "Content-Type": type }, body: content }).catch(() => 0);
      }
      const target = frame(), form = put("form", { method, action: url, target: target.name });
      form.enctype = "text/plain";
      form.append(Object.assign(document.createElement("textarea"), { name: body || "x" }));
      const sent = loaded(target);
      form.submit();
      await sent;
    }
    const navigated = frame(), image = new Image();
    const both = Promise.all([loaded(navigated), loaded(image)]);
    navigated.src = image.src = url;
    await both;
  });
  await Promise.all(attempts);
  return done;
}"""

INTENDED = """async ({ image, keys, signIn, wrong, authorize, api }) => {
  const url = image.upload_url, sent = Uint8Array.from(image.bytes);
  const put = await fetch(url, { method: "PUT", headers: image.upload_headers, body: sent });
  const found = await (await fetch(keys)).json();
  const target = "AWSCognitoIdentityProviderService.InitiateAuth";
  const headers = { "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target };
  const ask = (body) => fetch(new URL(keys).origin, { method: "POST", headers, body: JSON.stringify(body) });
  const tokens = await (await ask(signIn)).json();
  const refused = await ask(wrong);
  const again = await fetch(url.slice(0, -4) + "0000", { method: "PUT", headers: image.upload_headers, body: sent });
  const token = tokens.AuthenticationResult.AccessToken;
  const get = async () => (await fetch(api, { headers: { Authorization: `Bearer ${token}` } })).json();
  let seen = await get();
  for (let tries = 0; !seen.url && tries < 200; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    seen = await get();
  }
  const bytes = [...new Uint8Array(await (await fetch(seen.url)).arrayBuffer())];
  return { put: put.status, etag: put.headers.get("ETag"), keys: found.keys.length, wrong: refused.status,
    again: again.status, authorize: (await fetch(authorize)).status, bytes };
}"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>evil</title><body>")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def page_server() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    from tests.local import browser  # noqa: PLC0415  only where the browser runs

    with page_server() as port, browser.headless((EVIL, REBOUND)) as chromium:
        opened = chromium.new_page()
        opened.goto(f"http://{EVIL}:{port}/")
        assert opened.evaluate("location.origin") == f"http://{EVIL}:{port}"
        yield opened


@pytest.fixture
def emulation(stack: dict[str, Any]) -> Emulation:
    made = Emulation(stack, Path(stack["log"]).parents[1])
    made.client("s3").put_object(Bucket=stack["bucket"], Key=KEY, Body=CONTENT)
    return made


def attacks(emulation: Emulation) -> Iterator[dict[str, Any]]:
    """To each name of the emulator, signed with keys that everybody knows, in the header and in the query; and the
    paths that need no key."""
    for host in ("127.0.0.1", "localhost", REBOUND):
        named = f"{host}:{emulation.port}"
        for path in ("/_ministack/reset", "/_ministack/config"):
            yield {"method": "POST", "url": f"http://{named}{path}", "headers": {}, "body": "{}"}
        for path in ("/_ministack/sqs/messages", "/_ministack/health", f"/{emulation.stack['bucket']}/{KEY}", "/"):
            yield {"method": "GET", "url": f"http://{named}{path}", "headers": {}, "body": ""}
        for key_id in ("test", "000000000000"):
            for call in calls(emulation):
                for query in (False, True):
                    yield signed(emulation, call, Credentials(key_id, "test"), named, query=query)


def calls(emulation: Emulation) -> list[Call]:
    stack, form = emulation.stack, {"Content-Type": "application/x-www-form-urlencoded"}
    password = {"UserPoolId": stack["user_pool_id"], "Username": "viewer", "Permanent": True, "Password": "By-evil-1"}
    message = {"QueueUrl": stack["storage_event_dead_letters"], "MessageBody": "evil"}
    item = {"TableName": stack["access_log_table"], "Item": {"request_id": {"S": "evil"}, "part": {"N": "0"}}}
    return [
        Call("s3", "PUT", f"/{stack['bucket']}/{KEY}", {}, b"evil"),
        Call("s3", "DELETE", f"/{stack['bucket']}/{KEY}", {}),
        Call("s3", "GET", f"/{stack['bucket']}/{KEY}", {}),
        Call("sqs", "POST", "/", form, urlencode({"Action": "SendMessage", **message}).encode()),
        Call("iam", "POST", "/", form, urlencode({"Action": "CreateUser", "UserName": "evil"}).encode()),
        json_call("sqs", "AmazonSQS.SendMessage", message),
        json_call("dynamodb", "DynamoDB_20120810.PutItem", item),
        cognito_call("AdminSetUserPassword", password),
        cognito_call("ListUsers", {"UserPoolId": stack["user_pool_id"]}),
    ]


def signed(emulation: Emulation, call: Call, key: Credentials, host: str, *, query: bool) -> dict[str, Any]:
    prepared = emulation.signed(call, key, query=query, host=host).prepare()
    headers = {name: value if isinstance(value, str) else value.decode() for name, value in prepared.headers.items()}
    headers.pop("Content-Length", None)
    return {"method": call.method, "url": prepared.url, "headers": headers, "body": call.body.decode()}


def state(emulation: Emulation) -> list[Any]:
    s3, stack = emulation.client("s3"), emulation.stack
    dead_letters = stack["storage_event_dead_letters"]
    item = {"TableName": stack["access_log_table"], "Key": {"request_id": {"S": "evil"}, "part": {"N": "0"}}}
    return [
        [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]],
        [one["VersionId"] for one in s3.list_object_versions(Bucket=stack["bucket"], Prefix=KEY)["Versions"]],
        s3.get_object(Bucket=stack["bucket"], Key=KEY)["Body"].read(),
        emulation.client("dynamodb").list_tables()["TableNames"],
        emulation.client("dynamodb").get_item(**item).get("Item"),
        sorted(emulation.client("sqs").list_queues()["QueueUrls"]),
        emulation.client("sqs").receive_message(QueueUrl=dead_letters).get("Messages"),
        bool(tokens.password_token(stack, "viewer")),
    ]


def test_a_page_of_another_origin_achieves_only_what_is_meant_for_pages(emulation: Emulation, page: Any) -> None:
    before, gateway = state(emulation), urlsplit(emulation.stack["api_url"])
    tried = [*attacks(emulation)]
    rebound = [f"http://{REBOUND}:{gateway.port}{path}" for path in ("/docs/openapi.json", "/v1/tags", "/docs")]

    answers = page.evaluate(ATTACK, tried)
    answers += page.evaluate(ATTACK, [{"method": "GET", "url": url, "headers": {}, "body": ""} for url in rebound])

    assert len(answers) >= 2 * len(tried)
    readable = [answer for answer in answers if answer[2] != "blocked"]
    assert [answer for answer in readable if not answer[2].startswith(("400", "403", "421"))] == []
    assert state(emulation) == before

    assert intended(emulation, page)


def intended(emulation: Emulation, page: Any) -> bool:
    """Uploading, downloading, signing in."""
    stack, data = emulation.stack, JPEG
    headers = {"Authorization": f"Bearer {tokens.password_token(stack, 'editor')}"}
    draft = {"filename": "page.jpg", "size": len(data), "content_type": "image/jpeg"}
    draft["checksum_sha256"] = hashlib.sha256(data).hexdigest()
    image = httpx.post(f"{stack['api_url']}/images", json=draft, headers=headers, timeout=30).json()
    client, word = stack["client_id"], stack["users"]["viewer"]["password"]
    sign_in = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client}
    asked = {"response_type": "code", "client_id": client, "scope": "openid"}
    asked["redirect_uri"] = urlsplit(stack["api_url"])._replace(path="/").geturl()
    seen = page.evaluate(
        INTENDED,
        {
            "image": {**image, "bytes": list(data)},
            "keys": f"{emulation.url}/{stack['user_pool_id']}/.well-known/jwks.json",
            "signIn": sign_in | {"AuthParameters": {"USERNAME": "viewer", "PASSWORD": word}},
            "wrong": sign_in | {"AuthParameters": {"USERNAME": "viewer", "PASSWORD": "another"}},
            "authorize": f"{emulation.url}/oauth2/authorize?{urlencode(asked)}",
            "api": f"{stack['api_url']}/images/{image['id']}",
        },
    )

    assert bytes(seen.pop("bytes")) == data
    assert json.loads(seen.pop("etag"))
    assert seen.pop("keys") >= 1
    assert seen == {"put": 200, "wrong": 400, "again": 403, "authorize": 200}
    return True
