"""Features of the images of a data set by the network that a run would start from, which no label of it has taught."""

from collections.abc import Callable

from cnnexp.config import ModelConfig
from cnnexp.datasets import InspectedDataset
from cnnexp.datasets.cache.features import FeatureRequest, Features, features_once
from cnnexp.datasets.cache.folder import cache_folder
from cnnexp.models import Regularization, build_model, set_pretrained_weights, split
from cnnexp.portable.forward import compiled, with_features
from cnnexp.records import PretrainedNetwork
from cnnexp.system.text import plural

_CHUNK = 64  # images that go through the network together


def backbone_features(
    inspected: InspectedDataset,
    model: ModelConfig,
    pretrained: PretrainedNetwork,
    *,
    cache: str | None,
    on_progress: Callable[[int, int], None],
) -> Features:
    """Return features (N, F) of all images of a data set, from the cache folder (`data.cache`), where they are kept.

    `on_progress` is called with (done, all) while they are computed.

    Raises:
        ModelError: the weights do not fit the network.
        DataError: the cache folder is full or cannot be written.

    """
    images, names = inspected.decoded.images, inspected.decoded.manifest.class_names
    network = build_model(
        model,
        input_shape=images.shape[1:],
        num_classes=len(names),
        scaling=pretrained.scaling,
        regularization=Regularization(dropout=0.0, l1=0.0, l2=0.0),
        precision="float32",
        pretrained=pretrained,
    )
    set_pretrained_weights(network, model, pretrained, class_names=names)
    backbone, graph = split(network).features, compiled(with_features(network))

    def compute(into: Features) -> None:
        for start in range(0, len(images), _CHUNK):
            _, into[start : start + _CHUNK], _ = graph(images[start : start + _CHUNK])
            on_progress(min(start + _CHUNK, len(images)), len(images))

    request = FeatureRequest(
        name=inspected.name,
        origin=f"features of {plural(len(images), 'image')} by {network.name}, for the check of labels",
        key={"backbone": backbone.to_json(), "weights": pretrained.digest, "images": inspected.digest},
        shape=(len(images), int(backbone.output_shape[-1])),
    )
    return features_once(request, folder=cache_folder(cache), compute=compute)
