"""What goes for good, and what leads there. The object goes first and the row last: what dies between the two leaves a
row that the next run finds."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from chalicelib.aws import bucket, parts, storage
from chalicelib.aws.bucket import Listed
from chalicelib.config import settings
from chalicelib.database import images as table
from chalicelib.database import retention, scans, tags
from chalicelib.database.tables import Image, Status

LONGEST_PAUSE = timedelta(days=2)
"""Between two runs of the purge. What looks longer may be a clock that was set wrong."""

WAIT_AFTER_LEAP = timedelta(days=1)
"""Time for a person to set the clock right before anything is deleted by it."""

_CLOCK = "purge clock"


def clock_leapt(session: Session) -> bool:
    """Whether less than a day ago the database's clock was found far from where the run before had left it."""
    now, before = table.now(session), scans.position(session, _CLOCK)
    last, leap = map(datetime.fromisoformat, (before or f"{now}|{now - WAIT_AFTER_LEAP}").split("|"))
    if abs(now - last) > LONGEST_PAUSE:
        leap = now
    scans.remember(session, _CLOCK, f"{now.isoformat()}|{leap.isoformat()}")
    return now - leap < WAIT_AFTER_LEAP


def purge(session: Session, image_id: int) -> bool:
    """An image that has been in the bin for too long to come back, with every version of its object and preview."""
    image = retention.lock_expired(session, image_id, settings().bin_days)
    if image is None:
        return False
    _end_upload(image)
    for key in (storage.preview_key(image.object_key), image.object_key):
        bucket.purge(key)
    retention.remove(session, image.id)
    return True


def end_upload(session: Session, image_id: int) -> bool:
    """The multipart upload of an image that has no use for it; should it need one again, it begins anew."""
    image = retention.lock_vain_upload(session, image_id, settings().abandoned_days)
    if image is not None:
        _end_upload(image)
    return image is not None


def abandon(session: Session, image_id: int) -> bool:
    """To the bin with an image that nobody uploads. One whose file is there after all is for the reconciliation."""
    image = retention.lock_quiet(session, image_id, settings().abandoned_days)
    if image is None or storage.head(image.object_key) is not None:
        return False
    _end_upload(image)
    image.status = Status.MISSING
    image.deleted_at = table.now(session)
    tags.bin_links(session, image.id)
    return True


def end_of_grace(session: Session) -> datetime:
    """Orphans that are older may be removed. By the database's clock, whose leaps are noticed."""
    return table.now(session) - timedelta(hours=settings().orphan_hours)


def hide_orphan(session: Session, orphan: Listed) -> bool:
    if scans.is_known(session, orphan.key):
        return False
    bucket.hide(orphan.key)
    return True


def _end_upload(image: Image) -> None:
    if image.multipart_upload_id is not None:
        parts.abort(image.object_key, image.multipart_upload_id)
        image.multipart_upload_id = None
