"""What befalls the files of the storage."""

import resource

from tests.faults.caller import pause
from tests.faults.full_disk import FULL_SECONDS, full_disk
from tests.faults.injury import Injury
from tests.faults.killing import kill_the_emulator

_EMULATOR = "local.run_ministack"


def fill_the_disk_of_the_storage(injury: Injury) -> None:
    """No space left on device, for objects and their sidecars."""
    with full_disk(injury.site.storage_disk):
        pause(FULL_SECONDS)


def kill_the_emulator_while_its_disk_is_full(injury: Injury) -> None:
    """It starts again on the full disk."""
    with full_disk(injury.site.storage_disk):
        pause(FULL_SECONDS / 2)
        kill_the_emulator(injury)
        pause(FULL_SECONDS / 2)


def let_the_storage_write_small_files_only(injury: Injury) -> None:
    """Images, that is, and not their larger sidecars: each write breaks off half-way."""
    _limit_files(injury, 150)
    pause(FULL_SECONDS)
    _limit_files(injury, None)


def _limit_files(injury: Injury, size: int | None) -> None:
    for pid in injury.site.pids(_EMULATOR):
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most if size is None else size, most))
