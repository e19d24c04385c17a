"""Who did what, when, and from where."""

from chalice.app import Blueprint, Request

from chalicelib.routes.answers import Listed
from chalicelib.routes.route import route
from chalicelib.routes.shapes.access_log import AccessLogQuery, AccessRecord
from chalicelib.routes.shapes.base import Listing, PageMeta, sealed
from chalicelib.services import access_log as service
from chalicelib.services.callers import Permission

access_log = Blueprint(__name__)


@route(access_log, "GET /access-log", "listAccessLog", needs=Permission.ADMIN, query=AccessLogQuery)
def find(request: Request, wanted: AccessLogQuery) -> Listed[AccessRecord]:
    """List requests to the service, newest first.

    Those of one user, on one image or tag, or of one day; with none of these, of the last 30 days. Paged by cursor
    only, and without totals."""
    rows = service.find(wanted.by(), wanted.period(), wanted.limit + 1, wanted.after())
    shown, more = rows[: wanted.limit], len(rows) > wanted.limit
    meta = PageMeta(
        limit=wanted.limit,
        current_page=None,
        has_more_pages=more,
        next_cursor=sealed(shown[-1][1]) if more else None,
        total_results=None,
        total_relation=None,
    )
    return Listed(Listing(results=[AccessRecord.of(entry) for entry, _ in shown], meta=meta), request)
