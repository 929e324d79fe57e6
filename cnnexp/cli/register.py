"""``cnnexp register``: the model of a run in MLflow's registry, after its golden samples were answered again."""

import json

from rich.text import Text

from cnnexp.report.console import open_console, print_line
from cnnexp.system import quiet
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import printable
from cnnexp.tracking.recorded_model import recorded_model
from cnnexp.tracking.registry import default_name, register


def run(target: str, *, name: str | None, alias: str | None, uri: str) -> int:
    """Load the model, which replays its golden samples, and register it.

    Raises:
        TargetError: no run is meant, or several are.
        ModelError: the run has no model, or it no longer gives its recorded answers.
        ConfigError: the registry would refuse the name or the alias.
        TrackingError: the store refuses.

    """
    model = recorded_model(target, uri=uri)
    with model.folder() as folder:
        quiet.import_tensorflow()
        from cnnexp.portable.card import CARD_FILE
        from cnnexp.saved.prediction import open_model

        open_model(folder)
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    version = register(model, card, name=name or default_name(model), alias=alias)
    done = "is" if version.is_new else "was already"
    console = open_console()
    said = (
        f"{printable(model.run.name)} ({model.run.run_id[:12]}) {done} version {version.version} of "
        f"{printable(version.name)}{f', {version.alias}' if version.alias else ''}; its golden samples gave the "
        f"recorded answers (signature {version.golden[:12]})."
    )
    print_line(console, Text(said))
    which = f"@{version.alias}" if version.alias else f"/{version.version}"
    console.print(f"load    models:/{printable(version.name)}{which}  in {StoreUri(uri).masked}", soft_wrap=True)
    return 0
