"""A deployed stage in which incidents happen."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from infrastructure import roles
from local.schedules import scheduled_event
from tests.conftest import eventually
from tests.guides.runbooks.databases import MASTER, PASSWORD, Cluster
from tests.guides.runbooks.forwarder import Forwarder
from tests.infrastructure import emulated
from tests.infrastructure.emulated import Cloud
from tests.infrastructure.template import Template

_STATEMENT = _ROW = 65_536  # characters, bytes: as the Data API

_FUNCTIONS = ("Api", "RecordStorageEvent", "Inspect", "Reconcile", "Tidy", "Purge", "Migrate")


class Place:
    def __init__(self, cloud: Cloud, databases: dict[str, Cluster], proxy: Forwarder, home: Path) -> None:
        self.cloud, self.proxy, self.home = cloud, proxy, home
        self.first, self.second = databases["first"], databases["second"]
        self._empty = home / "empty.dump"

    def deploy(self, template: Template, assets: Path) -> None:
        content = emulated.adapted(template.content, self._url(roles.SERVICE))
        migrate = content["Resources"][template.function_id("migrate")]
        migrate["Properties"]["Environment"]["Variables"]["DATABASE_URL"] = self._url(roles.MIGRATOR)
        _let_send_in_batches(content)
        self.cloud.deploy(content, assets)
        self.functions = {name: self._physical(template, "AWS::Lambda::Function", name) for name in _FUNCTIONS}
        self.rules = {
            name: self._physical(template, "AWS::Events::Rule", f"{name}Rule") for name in ("Purge", "Reconcile")
        }
        self.bucket, self.pool = self.cloud.outputs["ImageBucket"], self.cloud.outputs["UserPoolId"]
        api_id = self.cloud.outputs["ApiUrl"].removeprefix("https://").partition(".")[0]
        self.api = f"{self.cloud.url}/restapis/{api_id}/v1/_user_request_"
        self._variables = {name: self.variables(name) for name in _FUNCTIONS}
        self.invoke("Migrate")
        self.first.dump(self._empty)

    def _url(self, user: str) -> str:
        return self.first.url(user, self.proxy.port).replace("postgresql://", "postgresql+psycopg2://")

    def _physical(self, template: Template, kind: str, name: str) -> str:
        (logical,) = [each for each in template.of_type(kind) if each.startswith(name) and len(each) == len(name) + 8]
        return self.cloud.physical(logical)

    def reset(self) -> None:
        """No images, no tags; every rule enabled, every function at its first version; the first cluster attached."""
        self.first.execute("ALTER ROLE service RESET default_transaction_read_only")
        self.first.restore(self._empty)
        self.second.execute("ALTER ROLE service RESET default_transaction_read_only")
        self.second.make_empty()
        self.proxy.attach(self.first.port)
        for rule in self.rules.values():
            self.cloud.client("events").enable_rule(Name=rule)
        functions = self.cloud.client("lambda")
        for mapping in functions.list_event_source_mappings(FunctionName=self.functions["Inspect"])[
            "EventSourceMappings"
        ]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
        for name, variables in self._variables.items():
            if self.live(name) != "1":
                self._configure(name, variables)
                self.go_live(name, "1")

    def environment(self) -> dict[str, str]:
        """Of the operator's session: the AWS CLI beside this Python, and profiles that all lead to this emulator."""
        config = self.home / "config"
        config.write_text(
            "[profile old-account]\nregion = eu-central-1\n[profile new-account]\nregion = eu-central-1\n"
        )
        path = f"{self.home}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        return self.cloud.environment | {"PATH": path, "AWS_CONFIG_FILE": str(config), "PAUSE": "0.2"}

    def stand_ins(self) -> str:
        """For the Data API: psql, as the same user, with the limits of the Data API: the length of a statement and of a
        row, and that only the first row is printed. Clusters are named `first` and `second`."""
        psql = self.first.programs.program("psql")
        return f"""
            port_of() {{ if [ "$1" = second ]; then echo {self.second.port}; else echo {self.first.port}; fi; }}
            use_cluster() {{ SQL_PORT=$(port_of "$1"); }}
            sql() {{
              local printed rows row
              [ ${{#1}} -le {_STATEMENT} ] || {{ echo "The statement has ${{#1}} characters." >&2; return 1; }}
              printed=$(PGPASSWORD={PASSWORD} {psql} -h 127.0.0.1 -p "$SQL_PORT" -U {MASTER} -d {roles.DATABASE} \\
                -XAtq -v ON_ERROR_STOP=1 -P null=None -R $'\\x1e' -c "$1") || return 1
              mapfile -t -d $'\\x1e' rows <<< "$printed"
              for row in "${{rows[@]}}"; do
                [ ${{#row}} -le {_ROW} ] || {{ echo "A row has ${{#row}} characters." >&2; return 1; }}
              done
              printf '%s' "${{rows[0]}}"
              [ ${{#rows[@]}} = 1 ] || echo
            }}
            login_of() {{
              OTHER_HOST=127.0.0.1 OTHER_PORT=$(port_of "$1") OTHER_USER={MASTER} OTHER_PASSWORD={PASSWORD}
              OTHER_TLS=disable
            }}
            CLUSTER=first
            use_cluster "$CLUSTER"
        """

    def invoke(self, name: str) -> None:
        event = json.dumps(scheduled_event(name)).encode()
        answer = self.cloud.client("lambda").invoke(FunctionName=f"{self.functions[name]}:live", Payload=event)
        assert "FunctionError" not in answer, answer["Payload"].read()

    def publish(self, name: str, **environment: str) -> str:
        """Make a version with these variables, and the one that is live. Returns its number."""
        self._configure(name, self.variables(name) | environment)
        version: str = self.cloud.client("lambda").publish_version(FunctionName=self.functions[name])["Version"]
        self.go_live(name, version)
        return version

    def variables(self, name: str) -> dict[str, str]:
        described = self.cloud.client("lambda").get_function_configuration(FunctionName=self.functions[name])
        variables: dict[str, str] = described["Environment"]["Variables"]
        return variables

    def _configure(self, name: str, variables: dict[str, str]) -> None:
        functions, environment = self.cloud.client("lambda"), {"Variables": variables}
        functions.update_function_configuration(FunctionName=self.functions[name], Environment=environment)

    def live(self, name: str) -> str:
        found: str = self.cloud.client("lambda").get_alias(FunctionName=self.functions[name], Name="live")[
            "FunctionVersion"
        ]
        return found

    def go_live(self, name: str, version: str) -> None:
        functions, function = self.cloud.client("lambda"), self.functions[name]
        functions.update_alias(FunctionName=function, Name="live", FunctionVersion=version)

    def token(self, permission: str) -> str:
        client = self.cloud.outputs[f"Machine{permission}ClientId"]
        described = self.cloud.client("cognito-idp").describe_user_pool_client(UserPoolId=self.pool, ClientId=client)
        return self.token_of(client, described["UserPoolClient"]["ClientSecret"], permission.lower())

    def token_of(self, client: str, secret: str, scope: str) -> str:
        form = {"grant_type": "client_credentials", "scope": f"tagged-image-manager/{scope}"}
        answer = httpx.post(f"{self.cloud.url}/oauth2/token", data=form, auth=(client, secret))
        token: str = answer.json()["access_token"]
        return token

    def call(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token('Admin')}"}
        return httpx.request(method, self.api + path, headers=headers, timeout=30, **options)

    def image(self, image_id: int) -> dict[str, Any]:
        answer = self.call("GET", f"/images/{image_id}")
        record: dict[str, Any] = answer.json()
        return record

    def register(self, size: int, tags: tuple[str, ...] = (), created_by: str = "ann") -> tuple[int, str]:
        """The id and object key of an image that waits for its file. (The emulator's event of a POST lacks what the
        service names the new image by.)"""
        key = f"images/{datetime.now(UTC):%Y-%m-%d}/{uuid4()}"
        ((image_id,),) = self.first.execute(
            "INSERT INTO images (created_by, filename, content_type, size, object_key, status, metadata, attributes)"
            " VALUES (%s, 'a.dcm', 'application/dicom', %s, %s, 'pending', %s, '{}') RETURNING id",
            *(created_by, size, key, '{"ward": "3"}'),
            user=roles.SERVICE,
        )
        for tag in tags:
            assert self.call("PUT", f"/images/{image_id}/tags/{tag}").status_code < 300
        return image_id, key

    def put(self, key: str, content: bytes) -> None:
        self.cloud.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)

    def upload(self, content: bytes, tags: tuple[str, ...] = (), created_by: str = "ann") -> int:
        """Return the id of an image that is present and inspected."""
        image_id, key = self.register(len(content), tags, created_by)
        self.put(key, content)
        self.await_inspection(image_id)
        return image_id

    def await_inspection(self, image_id: int) -> None:
        eventually(lambda: self.image(image_id).get("attributes"), within=60, of="the inspection")

    def key_of(self, image_id: int) -> str:
        ((key,),) = self.first.execute("SELECT object_key FROM images WHERE id = %s", image_id)
        return str(key)

    def seen(self, image_id: int) -> dict[str, Any]:
        """All of an image that its users know: the record without what is signed anew each time, and the bytes."""
        record = self.image(image_id)
        links = {name: httpx.get(record.pop(name)).content for name in ("url", "preview_url") if record.get(name)}
        record["tags"] = [tag["name"] for tag in record["tags"]]
        signed = {name: value for name, value in record.items() if "url" not in name}
        return signed | links


def _let_send_in_batches(template: dict[str, Any]) -> None:
    """On AWS, sqs:SendMessage permits batches, too. The emulator requires a permission that is named like the call."""
    for resource in template["Resources"].values():
        for statement in resource.get("Properties", {}).get("PolicyDocument", {}).get("Statement", []):
            if statement["Action"] == "sqs:SendMessage":
                statement["Action"] = ["sqs:SendMessage", "sqs:SendMessageBatch"]
