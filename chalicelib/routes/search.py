"""Images by tag, pattern and date."""

from chalice.app import Blueprint, Request, Response

from chalicelib.database import search as table
from chalicelib.database.engine import reading
from chalicelib.routes.request import listing, route
from chalicelib.routes.shapes.images import ImageRecord
from chalicelib.routes.shapes.search import SearchQuery
from chalicelib.services.callers import Permission

search = Blueprint(__name__)


@route(search, "GET", "/search/images", needs=Permission.READ, query=SearchQuery)
def find(request: Request, wanted: SearchQuery) -> Response:
    with reading() as session:
        page = table.find(session, wanted.criteria(), wanted.window(int))
        return listing(request, wanted, page, [ImageRecord.of(image) for image in page.rows], key=lambda row: row.id)
