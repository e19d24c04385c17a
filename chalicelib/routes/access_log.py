"""The access log, for admins."""

from chalice.app import Blueprint, Request, Response

from chalicelib.routes.request import answer, next_link, route
from chalicelib.routes.shapes.access_log import AccessLogQuery, AccessRecord
from chalicelib.routes.shapes.base import Listing, PageMeta, sealed
from chalicelib.services import access_log as service
from chalicelib.services.callers import Permission

access_log = Blueprint(__name__)


@route(access_log, "GET", "/access-log", needs=Permission.ADMIN, query=AccessLogQuery)
def find(request: Request, wanted: AccessLogQuery) -> Response:
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
    records = [AccessRecord.of(entry) for entry, _ in shown]
    return answer(Listing(results=records, meta=meta), headers=next_link(request, meta.next_cursor))
