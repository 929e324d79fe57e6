"""``cnnexp preview``: what augmentation makes of training images, without training."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from cnnexp.cli.code_flags import flags_given
from cnnexp.cli.outputs import STDOUT, write_document
from cnnexp.compose import compose_config
from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Splits, load_splits
from cnnexp.report.preview_page import preview_page
from cnnexp.report.run import reading_shown
from cnnexp.runs.images_to_crop import with_images_to_crop
from cnnexp.runs.pretrained import data_for
from cnnexp.runs.preview import build_preview
from cnnexp.runs.resolved_settings import augmentation_of
from cnnexp.runs.starting_network import starting_network
from cnnexp.system.streams import print_required
from cnnexp.system.text import printable


def run(settings: Sequence[str], *, html: Path, images: int) -> int:
    """Write the page of the settings' augmentation on the settings' training images.

    Raises:
        CnnexpError: a setting is wrong, the data are unfit to train on, or the file cannot be written.

    """
    config = compose_config(settings)
    splits = _load(config, quietly=html == STDOUT)
    augmentation = augmentation_of(config, splits.spec)
    preview = build_preview(splits, augmentation, images=images, seed=config.seed)
    command = shlex.join(["cnnexp", "preview", *flags_given(), *settings, "--html", str(html), "--images", str(images)])
    write_document(preview_page(preview, name=splits.name, command=command), html, option="--html")
    if html != STDOUT:
        print_required(f"{augmentation}: {printable(str(html.absolute()))}")
    return 0


def _load(config: ExperimentConfig, *, quietly: bool) -> Splits:
    if quietly:
        return _read(config, lambda _done, _total: None)
    with reading_shown() as show:
        return _read(config, show)


def _read(config: ExperimentConfig, show: Callable[[int, int], None]) -> Splits:
    with starting_network(config) as pretrained:
        data = data_for(config.data, pretrained)
    splits = load_splits(data, seed=config.seed, on_progress=show)
    return with_images_to_crop(splits, config, data, on_progress=lambda _stage, done, total: show(done, total))
