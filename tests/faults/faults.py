"""All faults, and those that a machine allows."""

from tests.faults import aws_faults, clock_faults, database_faults, killing, storage_faults
from tests.faults.injury import Fault
from tests.faults.stack import Site

FAULTS: list[Fault] = [
    killing.kill_a_worker,
    killing.kill_every_worker,
    killing.kill_the_gateway,
    killing.kill_the_postmaster,
    killing.kill_a_backend,
    killing.kill_the_emulator,
    killing.kill_the_delivery,
    killing.kill_the_schedules,
    killing.kill_everything,
    killing.stop_a_worker,
    killing.stop_the_database,
    killing.stop_the_emulator,
    database_faults.cut_connections,
    database_faults.refuse_connections_for_20_s,
    database_faults.lock_the_tables,
    database_faults.lock_the_tables_for_25_s,
    database_faults.slow_the_statements_down,
    database_faults.fill_the_disk,
    database_faults.fill_the_disk_until_the_database_crashes,
    database_faults.migrate_twice_at_once,
    database_faults.migrate_a_new_database_thrice_at_once,
    storage_faults.fill_the_disk_of_the_storage,
    storage_faults.kill_the_emulator_while_its_disk_is_full,
    storage_faults.let_the_storage_write_small_files_only,
    aws_faults.dynamodb_fails,
    aws_faults.dynamodb_throttles,
    aws_faults.dynamodb_hangs,
    aws_faults.dynamodb_answers_late,
    aws_faults.dynamodb_is_told_twice,
    aws_faults.dynamodb_writes_and_does_not_say_so,
    aws_faults.dynamodb_reports_conflicts,
    aws_faults.events_come_late,
    aws_faults.events_come_twice,
    aws_faults.events_come_in_another_order,
    aws_faults.events_are_lost,
    clock_faults.the_services_clock_steps_back,
    clock_faults.the_databases_clock_steps_back,
    clock_faults.every_clock_steps_back,
    clock_faults.the_services_clock_leaps_a_month_ahead,
    clock_faults.the_databases_clock_leaps_a_month_ahead,
    clock_faults.every_clock_leaps_a_month_ahead,
]

OF_THE_DISK: list[Fault] = [
    database_faults.fill_the_disk,
    database_faults.fill_the_disk_until_the_database_crashes,
    storage_faults.fill_the_disk_of_the_storage,
    storage_faults.kill_the_emulator_while_its_disk_is_full,
]

KEEPING_RECORDS_OUT: list[Fault] = [
    *(fault for fault in FAULTS if "dynamodb" in fault.__name__),
    killing.kill_the_emulator,
    killing.kill_everything,
    killing.stop_the_emulator,
    storage_faults.kill_the_emulator_while_its_disk_is_full,
    clock_faults.the_services_clock_steps_back,
    clock_faults.every_clock_steps_back,
    clock_faults.the_services_clock_leaps_a_month_ahead,
    clock_faults.every_clock_leaps_a_month_ahead,
]
"""While these last, the access-log table may not take a record: it is away, or its clock differs from the caller's."""

A_HANDFUL: list[Fault] = [
    killing.kill_a_worker,
    database_faults.cut_connections,
    database_faults.fill_the_disk_until_the_database_crashes,
    storage_faults.fill_the_disk_of_the_storage,
    clock_faults.every_clock_leaps_a_month_ahead,
    aws_faults.dynamodb_fails,
    aws_faults.events_are_lost,
    killing.kill_the_emulator,
]
"""One of each kind that takes no longer than a few seconds."""


def possible(faults: list[Fault], site: Site) -> list[Fault]:
    """To mount a file system takes root; the library that sets clocks is for Linux on x86_64."""
    out: list[Fault] = [] if site.can_fill_the_disk else [*OF_THE_DISK]
    if not site.can_set_clocks:
        out += [fault for fault in faults if fault.__module__ == clock_faults.__name__]
    return [fault for fault in faults if fault not in out]
