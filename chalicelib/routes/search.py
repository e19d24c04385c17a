"""Images by tag, pattern, date, and what is known of them."""

from chalice.app import Blueprint, Request

from chalicelib.database import search as table
from chalicelib.database.engine import reading
from chalicelib.routes.answers import Listed, listing
from chalicelib.routes.request import caller
from chalicelib.routes.route import route
from chalicelib.routes.shapes.images import ImageRecord
from chalicelib.routes.shapes.search import SearchQuery
from chalicelib.services.callers import Permission

search = Blueprint(__name__)


@route(search, "GET /search/images", "searchImages", needs=Permission.READ, query=SearchQuery)
def find(request: Request, wanted: SearchQuery) -> Listed[ImageRecord]:
    """Search images by tag, pattern and date, newest first.

    All conditions must hold. What a write has answered, the next search finds. The four lists of names hold at most 20
    names in all."""
    with reading() as session:
        page = table.find(session, wanted.criteria(), wanted.window(int))
        who = caller(request)
        return listing(
            request, wanted, page, [ImageRecord.of(image, who) for image in page.rows], key=lambda row: row.id
        )
