"""How much a stage is used in a month, and three sizes of use. The means are guesses: set them to what you see."""

from dataclasses import dataclass

from infrastructure.prune import PREDECESSORS


@dataclass(frozen=True)
class Usage:
    images: int = 0
    """New ones."""
    kept_images: int | None = None
    """All that are kept, the new ones included; None: only the new ones."""
    requests: int = 0
    image_megabytes: float = 1.0
    request_seconds: float = 0.05
    database_units: float | None = None
    """The mean capacity of an instance; None: the least that the stage has."""
    download_gigabytes: float = 0
    users: int = 0
    """People who sign in."""
    machine_tokens: int = 0
    """A program that works all day requests about 730 a month, since a token is good for an hour."""
    active_routes: int = 0
    """Routes that somebody calls in every hour: API Gateway reports metrics of each, by the hour."""
    versions: int = PREDECESSORS + 1
    """Of the API function: one after the first deployment, then one more with each, as far as they are kept."""

    @property
    def kept(self) -> int:
        return self.images if self.kept_images is None else self.kept_images


SIZES = {
    "small clinic": Usage(
        images=10_000,
        kept_images=200_000,
        requests=200_000,
        image_megabytes=2.0,
        download_gigabytes=50,
        users=20,
        machine_tokens=730,
        active_routes=5,
    ),
    "hospital": Usage(
        images=1_000_000,
        kept_images=30_000_000,
        requests=10_000_000,
        image_megabytes=0.5,
        database_units=4,
        download_gigabytes=1_000,
        users=1_000,
        machine_tokens=7_300,
        active_routes=12,
    ),
    "archive": Usage(
        images=10_000_000,
        kept_images=300_000_000,
        requests=100_000_000,
        image_megabytes=0.5,
        database_units=16,
        download_gigabytes=10_000,
        users=5_000,
        machine_tokens=73_000,
        active_routes=20,
    ),
}
"""Of prod. A small clinic has some ten studies a day; a hospital sends every slice of its scanners; an archive takes in
the images of ten such hospitals."""
