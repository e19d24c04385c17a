"""Every call of the contract, with the permission that it needs."""

from typing import NamedTuple

from tests.contract.builders import NO_IMAGE, NO_TAG

PERMISSIONS = ("none", "read", "write", "admin")


class Route(NamedTuple):
    method: str
    path: str
    needs: str
    takes_body: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ROUTES = [
    Route("POST", "/upload", "write", takes_body=True),
    Route("POST", "/images", "write", takes_body=True),
    Route("GET", "/images", "read"),
    Route("GET", f"/images/{NO_IMAGE}", "read"),
    Route("PUT", f"/images/{NO_IMAGE}", "write", takes_body=True),
    Route("DELETE", f"/images/{NO_IMAGE}", "write"),
    Route("POST", f"/images/{NO_IMAGE}/restore", "write"),
    Route("PUT", f"/images/{NO_IMAGE}/tags/ct", "write"),
    Route("DELETE", f"/images/{NO_IMAGE}/tags/ct", "write"),
    Route("POST", f"/images/{NO_IMAGE}/upload", "write", takes_body=True),
    Route("POST", f"/images/{NO_IMAGE}/upload/complete", "write", takes_body=True),
    Route("GET", "/tags", "read"),
    Route("POST", "/tags", "write", takes_body=True),
    Route("GET", f"/tags/{NO_TAG}", "read"),
    Route("PUT", f"/tags/{NO_TAG}", "write", takes_body=True),
    Route("DELETE", f"/tags/{NO_TAG}", "write"),
    Route("POST", f"/tags/{NO_TAG}/merge", "write", takes_body=True),
    Route("GET", f"/tags/{NO_TAG}/images", "read"),
    Route("GET", "/search/images", "read"),
    Route("GET", "/access-log", "admin"),
]
