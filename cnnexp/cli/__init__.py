"""Commands beside the main job, one module a command: ``check_data.py`` is ``cnnexp check-data``.

A module holds a click command named ``command`` and imports what is heavy inside it.
"""

import pkgutil

_MODULES = (module.name for module in pkgutil.iter_modules(__path__))
COMMANDS = tuple(sorted(name.replace("_", "-") for name in _MODULES if not name.startswith("_")))
