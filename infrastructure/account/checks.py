"""The table of checks."""

from collections.abc import Callable, Iterator

from botocore.exceptions import ClientError

from infrastructure.account import bootstrap, concurrency, gateway, leftovers, names, quotas, stack_state, zones
from infrastructure.account.finding import Finding, NotChecked
from infrastructure.account.target import Target

CHECKS: dict[str, Callable[[Target], Iterator[Finding]]] = {
    "state of the stack": stack_state.stack_state,
    "bootstrap version": bootstrap.bootstrap,
    "Lambda concurrency": concurrency.concurrency,
    "Lambda code storage": concurrency.code_storage,
    "number of zones": zones.enough_zones,
    "zones of RDS Proxy": zones.proxy_zones,
    "zones of VPC endpoints": zones.endpoint_zones,
    "version of Aurora": zones.engine_version,
    "zones of Aurora": zones.instance_zones,
    "sign-in domain": names.domain_prefix,
    "buckets": names.buckets,
    "log groups": names.log_groups,
    "database proxies": names.proxies,
    "alarms": names.alarms,
    "dashboards": names.dashboards,
    "resources left over": leftovers.leftovers,
    "API Gateway's role for logs": gateway.gateway_role,
    "alarm addresses": stack_state.subscriptions,
    **{f"quota {quota.name}": quotas.check(quota) for quota in quotas.QUOTAS},
}


def checked(target: Target) -> Iterator[tuple[str, Finding | NotChecked]]:
    """Yields the findings of every check, with its name, and NotChecked for each that could not be made."""
    for name, check in CHECKS.items():
        try:
            for finding in check(target):
                yield name, finding
        except NotChecked as error:
            yield name, error
        except ClientError as error:
            yield name, NotChecked(str(error))
