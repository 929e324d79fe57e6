from cnnexp.config.backbones import BACKBONES
from cnnexp.config.setting import one_of, setting, settings, within


@settings
class ModelConfig:
    """What every network has."""

    name: str


@settings
class ZooModelConfig(ModelConfig):
    """What the networks have that are built and trained from nothing."""

    width: int = setting(short="w")  # filters of the first block; later blocks follow from it
    depth: int = setting(short="d")  # number of blocks; each halves the image where it can

    def __post_init__(self) -> None:
        within("model.width", self.width, 1, 1024)
        within("model.depth", self.depth, 1, 8)


@settings
class PlainModelConfig(ZooModelConfig):
    """Convolution, ReLU, max pooling; then one dense layer (baseline, regularized, small)."""

    dense: int  # units of the dense layer before the softmax

    def __post_init__(self) -> None:
        ZooModelConfig.__post_init__(self)
        within("model.dense", self.dense, 1, 8192)


@settings
class AlexNetConfig(ZooModelConfig):
    """Large first kernels and two dense layers, after Krizhevsky et al. 2012."""

    dense: int  # units of each of the two dense layers

    def __post_init__(self) -> None:
        ZooModelConfig.__post_init__(self)
        within("model.dense", self.dense, 1, 8192)


@settings
class VggConfig(ZooModelConfig):
    """Blocks of several 3×3 convolutions, after Simonyan & Zisserman 2015."""

    convolutions: int  # convolutions in each block
    dense: int  # units of the dense layer before the softmax

    def __post_init__(self) -> None:
        ZooModelConfig.__post_init__(self)
        within("model.convolutions", self.convolutions, 1, 8)
        within("model.dense", self.dense, 1, 8192)


@settings
class ResNetConfig(ZooModelConfig):
    """Residual stages with batch normalization, after He et al. 2016."""

    units: int  # residual units in each stage

    def __post_init__(self) -> None:
        ZooModelConfig.__post_init__(self)
        within("model.units", self.units, 1, 16)


@settings
class AirbenchConfig(ZooModelConfig):
    """A whitening convolution, then pairs of 3×3 convolutions with batch normalization, after Jordan 2024."""

    whitening: int  # side in pixels of the patches that the first convolution whitens

    def __post_init__(self) -> None:
        ZooModelConfig.__post_init__(self)
        within("model.whitening", self.whitening, 2, 5)


@settings
class PretrainedConfig(ModelConfig):
    """A network that was trained on ImageNet, with a new head; docs/pretrained.md."""

    backbone: str = setting(short="")
    # A file, null for the weights that were published with the backbone, or none for random ones. What a file holds
    # counts, not where it is.
    weights: str | None = setting(affects="source")

    def __post_init__(self) -> None:
        one_of("model.backbone", self.backbone, tuple(BACKBONES))


@settings
class FromRunConfig(ModelConfig):
    """The network of an earlier run, trained further; docs/pretrained.md."""

    # A run as every command names one, or the folder of an exported model. What it holds counts, not where it is.
    run: str = setting(affects="source")


@settings
class RegularizationConfig:
    """One set of four values, so that any of them can be swept from any option."""

    name: str = setting(affects="label")
    dropout: float  # share of units dropped before the softmax
    l1: float  # weight of the sum of absolute kernel weights in the loss
    l2: float  # weight of the sum of squared kernel weights in the loss
    label_smoothing: float  # probability mass spread evenly over all classes

    def __post_init__(self) -> None:
        within("regularization.dropout", self.dropout, 0, 1, below=True)
        within("regularization.l1", self.l1, 0, 10)
        within("regularization.l2", self.l2, 0, 10)
        within("regularization.label_smoothing", self.label_smoothing, 0, 1, below=True)
