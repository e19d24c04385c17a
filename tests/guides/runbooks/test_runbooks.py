"""Makes each incident, follows its runbook as it stands, and checks what is left."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from infrastructure import roles
from tests.conftest import eventually
from tests.guides.runbooks.databases import MASTER, Cluster
from tests.guides.runbooks.place import Place
from tests.guides.runbooks.shell import Runbook, Shell

CT = Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()
MR = Path(str(get_testdata_file("MR_small.dcm", download=False))).read_bytes()


@pytest.fixture
def copies(place: Place) -> str:
    """A bucket with copies of all objects, as S3 replication keeps them."""
    s3, name = place.cloud.client("s3"), "copies"
    if name not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


def copy_all(place: Place, to: str) -> None:
    s3 = place.cloud.client("s3")
    for each in s3.list_objects_v2(Bucket=place.bucket).get("Contents", []):
        s3.copy_object(Bucket=to, Key=each["Key"], CopySource={"Bucket": place.bucket, "Key": each["Key"]})


def test_rollback_moves_every_alias_back_and_forth(place: Place, shell: Shell) -> None:
    runbook = Runbook(shell, "rollback")
    before = datetime.now(UTC).replace(tzinfo=None).isoformat()
    faulty = place.publish("Api", DATABASE_URL="")
    assert place.call("GET", "/tags").status_code >= 500

    runbook.follow("", "1.", "2.", "3.", BEFORE=before)

    assert (place.live("Api"), place.live("Inspect")) == ("1", "1")
    assert place.call("GET", "/tags").status_code == 200
    change = 'VALUE=x set_variable "$(resource Lambda::Function Api)" DENIED_CALLERS || echo refused'
    assert shell.paste(change) == "refused\n"  # it would make the faulty settings live
    runbook.follow("4.")
    assert (place.live("Api"), place.live("Inspect")) == (faulty, "1")
    assert runbook.left() == []


def test_copies_for_the_loss_of_a_region_hold_every_file_and_person(place: Place, shell: Shell, copies: str) -> None:
    runbook = Runbook(shell, "loss-of-the-region")
    image = place.upload(CT)
    cognito, s3 = place.cloud.client("cognito-idp"), place.cloud.client("s3")
    cognito.admin_create_user(UserPoolId=place.pool, Username="copied", MessageAction="SUPPRESS")
    cognito.admin_add_user_to_group(UserPoolId=place.pool, Username="copied", GroupName="editors")

    shell.paste("COPY_KEY=alias/copy")
    runbook.follow("Keep copies", COPY=copies, ELSEWHERE="eu-central-1")

    assert s3.get_object(Bucket=copies, Key=place.key_of(image))["Body"].read() == CT
    people = f"people/{datetime.now(UTC):%Y-%m-%d}"
    assert b'"copied"' in s3.get_object(Bucket=copies, Key=f"{people}/people.json")["Body"].read()
    assert b'"copied"' in s3.get_object(Bucket=copies, Key=f"{people}/people-editors.json")["Body"].read()
    cognito.admin_delete_user(UserPoolId=place.pool, Username="copied")
    assert runbook.left() == []


def test_a_mistaken_purge_is_undone_to_the_byte(place: Place, shell: Shell, copies: str) -> None:
    runbook = Runbook(shell, "mistaken-purge")
    gone = [place.upload(CT, ("chest", "left knee")), place.upload(MR, ("chest",))]
    kept = place.upload(CT, ("kept",))
    before = {image: place.seen(image) for image in (*gone, kept)}
    keys = [place.key_of(image) for image in gone]
    copy_all(place, copies)
    place.first.dump(place.home / "then.dump")
    for image in gone:
        assert place.call("DELETE", f"/images/{image}").status_code == 204
    place.first.execute("UPDATE images SET deleted_at = now() - interval '31 days' WHERE deleted_at IS NOT NULL")
    place.invoke("Purge")
    assert not place.first.execute("SELECT id FROM images WHERE id = ANY (%s)", gone)
    versions = place.cloud.client("s3").list_object_versions(Bucket=place.bucket)
    assert not {each["Key"] for each in versions.get("Versions", [])} & set(keys)

    runbook.follow("1.", "2.", "3.")
    place.second.restore(place.home / "then.dump")
    shell.paste("NEW=second")
    runbook.follow("4.", "5.", "6.", COPY=copies)
    assert shell.paste('delete_rows; copy_rows <<< "$IDS" > /dev/null') == "2 rows\n"
    runbook.follow("7.", "8.")

    assert {image: place.seen(image) for image in (*gone, kept)} == before
    place.invoke("Purge")
    assert len(place.first.execute("SELECT id FROM images")) == 3
    assert runbook.left() == []


def test_without_a_copy_the_owner_of_a_purged_image_can_upload_it_again(place: Place, shell: Shell) -> None:
    runbook = Runbook(shell, "mistaken-purge")
    image = place.upload(CT, ("chest",))
    before = place.seen(image)
    place.first.dump(place.home / "then.dump")
    place.call("DELETE", f"/images/{image}")
    place.first.execute("UPDATE images SET deleted_at = now() - interval '31 days' WHERE deleted_at IS NOT NULL")
    place.invoke("Purge")

    place.second.restore(place.home / "then.dump")
    shell.paste("NEW=second")
    runbook.follow("4.", "6.", "7.", "8.")

    assert place.image(image)["status"] == "missing"
    place.put(place.key_of(image), CT)
    eventually(lambda: place.image(image)["status"] == "present")
    place.await_inspection(image)
    eventually(lambda: place.image(image)["preview_url"])
    after = place.seen(image)
    differ = {name for name in before if before[name] != after[name]}
    assert differ <= {"uploaded_timestamp"}


def test_a_restore_loses_nothing_that_came_later_and_should_be_kept(place: Place, shell: Shell) -> None:
    runbook = Runbook(shell, "point-in-time-restore")
    old, purged = place.upload(CT, ("right",)), place.upload(MR)
    waiting, its_key = place.register(len(CT), ("waiting",))
    before = place.seen(old)
    place.first.dump(place.home / "then.dump")
    ((moment,),) = place.first.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    place.call("PUT", f"/images/{old}/tags/wrong")
    place.call("DELETE", f"/images/{old}/tags/right")
    place.put(its_key, CT)
    place.await_inspection(waiting)
    later, hidden = place.upload(MR, ("right", "new")), place.upload(CT, ("new",))
    dropped = place.upload(MR)
    came_later = {image: place.seen(image) for image in (later, hidden)}
    orphan = place.key_of(dropped)
    place.call("DELETE", f"/images/{dropped}")
    place.call("DELETE", f"/images/{purged}")
    place.first.execute("UPDATE images SET deleted_at = now() - interval '31 days' WHERE id = %s", purged)
    place.invoke("Purge")
    assert not place.first.execute("SELECT id FROM images WHERE id = %s", purged)
    place.first.execute("SELECT nextval('tags_id_seq') FROM generate_series(1, 100)")  # tags that came and went
    ((last_tag,),) = place.first.execute("SELECT last_value FROM tags_id_seq")
    s3 = place.cloud.client("s3")

    runbook.follow("", "1.", "3.", MOMENT=moment)
    assert place.call("PUT", f"/images/{old}/tags/lost").status_code >= 500
    assert place.call("GET", f"/images/{old}").status_code == 200
    place.second.restore(place.home / "then.dump")
    shell.paste("NEW=second")
    runbook.follow("5.")
    place.proxy.attach(place.second.port)
    assert place.call("PUT", f"/images/{old}/tags/lost").status_code >= 500
    runbook.follow("7.")
    assert runbook.follow("8.").splitlines()[-1] == "2"
    s3.delete_object(Bucket=place.bucket, Key=place_key(place, hidden))  # as purge does with what no image has
    found = runbook.follow("9.")
    statuses = runbook.follow("10.")

    assert re.fullmatch(r"missing: 1, present: \d+", statuses.splitlines()[0])
    assert not any(is_open(cluster) for cluster in (place.first, place.second))
    place.await_inspection(hidden)  # its file was away
    eventually(lambda: place.image(hidden)["preview_url"])
    assert place.seen(old) == before
    assert {image: place.seen(image) for image in (later, hidden)} == came_later, found
    assert place.image(waiting)["status"] == "present"
    assert place.image(purged)["status"] == "missing"
    assert s3.head_object(Bucket=place.bucket, Key=orphan)
    place.call("PUT", f"/images/{old}/tags/never-seen")
    new_tags = place.second.execute("SELECT name, id FROM tags WHERE name IN ('new', 'never-seen')")
    assert {name for name, number in new_tags if number > last_tag} == {"new", "never-seen"}
    assert runbook.left() == []


def is_open(cluster: Cluster) -> bool:
    """Return whether the master user can read the tables, and `migrator` cannot sign in by IAM."""
    question = f"SELECT pg_has_role('{MASTER}', 'migrator', 'USAGE'), pg_has_role('migrator', 'rds_iam', 'MEMBER')"
    ((reads, signs_in),) = cluster.execute(question)
    return bool(reads) or not signs_in


def test_more_images_than_a_statement_can_name_are_copied(place: Place, shell: Shell) -> None:
    runbook = Runbook(shell, "point-in-time-restore")
    place.first.dump(place.home / "then.dump")
    place.second.restore(place.home / "then.dump")
    place.first.execute(
        "INSERT INTO images (created_by, filename, content_type, object_key, size, status, metadata, attributes)"
        " SELECT 'ann', 'a.dcm', 'image/png', 'images/2026-11-27/' || gen_random_uuid(), 1, 'missing', '{}', '{}'"
        " FROM generate_series(1, 4500)",
        user=roles.SERVICE,
    )
    runbook.follow("", MOMENT="2026-11-27T00:00:00Z", NEW="second")
    runbook.follow("7.")

    printed = runbook.follow("8.")

    assert printed.splitlines() == ["4500", *["1000 images, 0 links"] * 4, "500 images, 0 links", "4500"]
    assert place.second.execute("SELECT count(*) FROM images") == [(4500,)]
    assert shell.paste("list images object_key true | sort -u | wc -l") == "4500\n"
    assert shell.paste('list images id "id = 0" | wc -l; for_ids ":ids" <<< ""') == "0\n"
    shell.paste("use_cluster first; close_tables; use_cluster second; close_tables")


def place_key(place: Place, image: int) -> str:
    ((key,),) = place.second.execute("SELECT object_key FROM images WHERE id = %s", image)
    return str(key)


def test_a_new_key_makes_new_hashes_for_all_images_and_the_old_one_brings_them_back(place: Place, shell: Shell) -> None:
    runbook = Runbook(shell, "rotation-of-the-identifier-key")
    images = [place.upload(content, ("kept",)) for content in (CT, CT, MR)]
    place.first.execute("UPDATE images SET uploaded_at = uploaded_at - interval '1 hour'")
    before = {image: place.seen(image) for image in images}
    study = before[images[0]]["attributes"]["StudyInstanceUID"]
    assert found(place, study) == sorted(images[:2])

    runbook.follow("", "1.", "2.", "3.", "4.", "5.")

    after = {image: place.seen(image) for image in images}
    new_study = after[images[0]]["attributes"]["StudyInstanceUID"]
    assert new_study != study
    assert (found(place, study), found(place, new_study)) == ([], sorted(images[:2]))
    for image in images:
        hashes = {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"}
        assert all(after[image]["attributes"][name] != before[image]["attributes"][name] for name in hashes)
        assert {**after[image], "attributes": 0, "preview_url": 0} == {
            **before[image],
            "attributes": 0,
            "preview_url": 0,
        }
    runbook.follow("6.")
    place.invoke("Reconcile")
    eventually(lambda: not waiting(place), within=60)
    assert {image: place.seen(image) for image in images} == before
    assert runbook.left() == []


def waiting(place: Place) -> list[tuple[int]]:
    """Return the ids of images that wait for their inspection."""
    return place.first.execute("SELECT id FROM images WHERE inspected_at IS NULL")


def found(place: Place, study: str) -> list[int]:
    listed = place.call("GET", "/search/images", params={"attributes.StudyInstanceUID": study}).json()["results"]
    return sorted(each["id"] for each in listed)


def test_a_stuck_queue_flows_again(place: Place, shell: Shell) -> None:
    runbook = Runbook(shell, "stuck-queue")
    functions, sqs = place.cloud.client("lambda"), place.cloud.client("sqs")
    shell.paste("STUCK=$(resource SQS::Queue InspectDeadLetters)")
    dead_letters = shell.paste('echo "$STUCK"').strip()
    (mapping,) = functions.list_event_source_mappings(FunctionName=place.functions["Inspect"])["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    place.cloud.client("events").disable_rule(Name=place.rules["Reconcile"])
    image, key = place.register(len(CT))
    place.put(key, CT)
    eventually(lambda: place.image(image)["status"] == "present")
    sqs.send_message(QueueUrl=dead_letters, MessageBody=f'{{"object_key": "{key}"}}')

    assert runbook.follow("", "1.") == "1\t0\n1\t0\n"
    assert place.image(image)["attributes"] == {}
    runbook.follow("2.", "3.", "4.", "5.", "6.", "7.")

    place.await_inspection(image)
    assert place.image(image)["attributes"]["Format"] == "DICOM"
    assert place.cloud.client("events").describe_rule(Name=place.rules["Reconcile"])["State"] == "ENABLED"
    assert runbook.left() == []
    sqs.purge_queue(QueueUrl=dead_letters)


@pytest.mark.parametrize("permission", ["Write", "Admin"])
def test_tokens_of_a_leaked_secret_are_refused_at_once_and_what_they_did_is_listed(
    place: Place, shell: Shell, permission: str
) -> None:
    runbook, begun = Runbook(shell, "leaked-machine-secret"), int(time.time())
    image = place.upload(CT)
    leaked, other = place.token(permission), place.token("Read")
    place.publish("Api", DENIED_CALLERS="a-thief")
    assert place.call("PUT", f"/images/{image}/tags/theirs", leaked).status_code < 300

    runbook.follow("", "2.", PERMISSION=permission)

    assert place.call("GET", "/tags", leaked).status_code == 403
    assert place.call("GET", "/tags", other).status_code == 200
    runbook.follow("3.")
    did = runbook.follow("4.", SINCE=str(begun)).splitlines()
    assert any(line.split()[2:] == ["PUT", "/images/{image_id}/tags/{name}", "204"] for line in did), did
    assert any(line.split()[2:] == ["GET", "/tags", "403"] for line in did), did
    stand_in = shell.paste('echo "$STAND_IN"').strip()
    described = place.cloud.client("cognito-idp").describe_user_pool_client(UserPoolId=place.pool, ClientId=stand_in)
    token = place.token_of(stand_in, described["UserPoolClient"]["ClientSecret"], permission.lower())
    assert place.call("PUT", f"/images/{image}/tags/ours", token).status_code < 300
    runbook.follow("5.")
    assert place.call("GET", "/tags", leaked).status_code == 200
    assert place.variables("Api")["DENIED_CALLERS"] == "a-thief"
    assert runbook.left() == []


def test_a_move_brings_every_image_to_its_owner_in_the_new_account(place: Place, shell: Shell) -> None:
    runbook = Runbook(shell, "moving-to-another-account")
    cognito, s3 = place.cloud.client("cognito-idp"), place.cloud.client("s3")
    new_pool, new_bucket = cognito.create_user_pool(PoolName="new")["UserPool"]["Id"], "moved-to"
    cognito.create_group(UserPoolId=new_pool, GroupName="editors")
    s3.create_bucket(Bucket=new_bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    sub = a_person(place, "o'moving")
    a_person(place, "gone")
    cognito.admin_disable_user(UserPoolId=place.pool, Username="gone")
    cognito.admin_create_user(UserPoolId=place.pool, Username="nowhere", MessageAction="SUPPRESS")
    theirs, machines = place.upload(CT, ("chest",), sub), place.upload(MR, ("chest",), "an-old-client")
    key = place.key_of(theirs)

    runbook.follow("", "1.")
    shell.paste(f"NEW_BUCKET={new_bucket} NEW_POOL={new_pool}")
    runbook.follow("2.", "4.")
    assert place.call("PUT", f"/images/{theirs}/tags/late").status_code >= 500
    place.first.dump(place.home / "moved.dump")
    place.second.execute("ALTER ROLE service SET default_transaction_read_only = on")
    place.second.restore(place.home / "moved.dump")
    shell.paste("use_cluster second")
    runbook.follow("5.", "6.", "7.", OLD_MACHINE="an-old-client", NEW_MACHINE="a-new-client")
    place.proxy.attach(place.second.port)
    runbook.follow("8.")

    owners = dict(place.second.execute("SELECT id, created_by FROM images"))
    (person,) = cognito.list_users(UserPoolId=new_pool)["Users"]
    assert person["Username"] == "o'moving"
    assert {"Name": "email_verified", "Value": "false"} in person["Attributes"]
    assert owners == {
        theirs: next(a["Value"] for a in person["Attributes"] if a["Name"] == "sub"),
        machines: "a-new-client",
    }
    groups = cognito.admin_list_groups_for_user(UserPoolId=new_pool, Username="o'moving")["Groups"]
    assert [group["GroupName"] for group in groups] == ["editors"]
    assert s3.get_object(Bucket=new_bucket, Key=key)["Body"].read() == CT
    assert place.call("PUT", f"/images/{theirs}/tags/moved").status_code < 300
    for name in ("o'moving", "gone", "nowhere"):
        cognito.admin_delete_user(UserPoolId=place.pool, Username=name)
    assert runbook.left() == []


def a_person(place: Place, name: str) -> str:
    """Return the `sub` of a new editor."""
    cognito = place.cloud.client("cognito-idp")
    email = [{"Name": "email", "Value": f"{name}@example.org"}]
    made = cognito.admin_create_user(
        UserPoolId=place.pool, Username=name, MessageAction="SUPPRESS", UserAttributes=email
    )
    cognito.admin_add_user_to_group(UserPoolId=place.pool, Username=name, GroupName="editors")
    return next(str(each["Value"]) for each in made["User"]["Attributes"] if each["Name"] == "sub")
