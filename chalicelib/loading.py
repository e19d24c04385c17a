"""Modules that are loaded when something of them is first used: a cold start waits for nothing that its request can do
without."""

import sys
from collections.abc import Callable
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType


def when_used(package: str) -> Callable[[str], ModuleType]:
    """The `__getattr__` of a package: `from package import module` then costs nothing yet, while `from package.module
    import name` loads the module as ever."""

    def find(name: str) -> ModuleType:
        full_name = f"{package}.{name}"
        module = sys.modules.get(full_name) or _deferred(full_name)
        setattr(sys.modules[package], name, module)
        return module

    return find


def _deferred(full_name: str) -> ModuleType:
    spec = find_spec(full_name)
    if spec is None or spec.loader is None:
        raise AttributeError(f"There is no module {full_name}.")
    spec.loader = LazyLoader(spec.loader)
    module = sys.modules[full_name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
