"""The pretrained backbones there are, and what is known of each before it is built.

A table, because a command line is checked, a sweep hashes its runs and data are read without Keras.
"""

from dataclasses import dataclass

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in 0..1
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_CAFFE_MEAN = (123.68, 116.779, 103.939)  # of red, green and blue in 0..255


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a network was trained to see: pixel * scale + offset, of red, green and blue."""

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    blue_first: bool = False  # its first kernel has the channels in the order blue, green, red


_PLUS_MINUS_1 = Preprocessing((1 / 127.5,) * 3, (-1.0,) * 3)
_PLUS_MINUS_128 = Preprocessing((1 / 128,) * 3, (-1.0,) * 3)
_LITE = Preprocessing((1 / 128,) * 3, (-127 / 128,) * 3)
_CAFFE = Preprocessing((1.0,) * 3, (-_CAFFE_MEAN[0], -_CAFFE_MEAN[1], -_CAFFE_MEAN[2]), blue_first=True)
_TORCH = Preprocessing(
    (1 / 255 / IMAGENET_DEVIATION[0], 1 / 255 / IMAGENET_DEVIATION[1], 1 / 255 / IMAGENET_DEVIATION[2]),
    (
        -IMAGENET_MEAN[0] / IMAGENET_DEVIATION[0],
        -IMAGENET_MEAN[1] / IMAGENET_DEVIATION[1],
        -IMAGENET_MEAN[2] / IMAGENET_DEVIATION[2],
    ),
)


@dataclass(frozen=True, slots=True)
class Backbone:
    """One network that was trained on the 1,000 classes of ImageNet."""

    side: int  # pixels of the square images that it was trained on
    smallest: int  # pixels of the shorter side of the smallest images that it takes
    # Values of its largest feature map, by pixels of the image: what decides whether more threads are worth it.
    values_per_pixel: float
    preprocessing: Preprocessing
    builder: str | None = None  # in keras.applications; None: built here
    file: str | None = None  # of its published weights in Keras's cache, without the classes of ImageNet


_NO_TOP = "_weights_tf_dim_ordering_tf_kernels_notop.h5"

BACKBONES: dict[str, Backbone] = {
    "efficientnet_lite0": Backbone(224, 8, 24, _LITE),
    "efficientnet_lite1": Backbone(240, 8, 24, _LITE),
    "efficientnet_lite2": Backbone(260, 8, 24, _LITE),
    "convnext_tiny": Backbone(224, 32, 24, _TORCH, "ConvNeXtTiny", "convnext_tiny_notop.h5"),
    "convnext_small": Backbone(224, 32, 24, _TORCH, "ConvNeXtSmall", "convnext_small_notop.h5"),
    "convnext_base": Backbone(224, 32, 32, _TORCH, "ConvNeXtBase", "convnext_base_notop.h5"),
    "convnext_large": Backbone(224, 32, 48, _TORCH, "ConvNeXtLarge", "convnext_large_notop.h5"),
    "convnext_xlarge": Backbone(224, 32, 64, _TORCH, "ConvNeXtXLarge", "convnext_xlarge_notop.h5"),
    "densenet121": Backbone(224, 32, 16, _TORCH, "DenseNet121", "densenet121" + _NO_TOP),
    "densenet169": Backbone(224, 32, 16, _TORCH, "DenseNet169", "densenet169" + _NO_TOP),
    "densenet201": Backbone(224, 32, 16, _TORCH, "DenseNet201", "densenet201" + _NO_TOP),
    "efficientnet_b0": Backbone(224, 32, 24, _TORCH, "EfficientNetB0", "efficientnetb0_notop.h5"),
    "efficientnet_b1": Backbone(240, 32, 24, _TORCH, "EfficientNetB1", "efficientnetb1_notop.h5"),
    "efficientnet_b2": Backbone(260, 32, 24, _TORCH, "EfficientNetB2", "efficientnetb2_notop.h5"),
    "efficientnet_b3": Backbone(300, 32, 36, _TORCH, "EfficientNetB3", "efficientnetb3_notop.h5"),
    "efficientnet_b4": Backbone(380, 32, 36, _TORCH, "EfficientNetB4", "efficientnetb4_notop.h5"),
    "efficientnet_b5": Backbone(456, 32, 36, _TORCH, "EfficientNetB5", "efficientnetb5_notop.h5"),
    "efficientnet_b6": Backbone(528, 32, 48, _TORCH, "EfficientNetB6", "efficientnetb6_notop.h5"),
    "efficientnet_b7": Backbone(600, 32, 48, _TORCH, "EfficientNetB7", "efficientnetb7_notop.h5"),
    "efficientnet_v2b0": Backbone(224, 32, 8, _TORCH, "EfficientNetV2B0", "efficientnetv2-b0_notop.h5"),
    "efficientnet_v2b1": Backbone(240, 32, 8, _TORCH, "EfficientNetV2B1", "efficientnetv2-b1_notop.h5"),
    "efficientnet_v2b2": Backbone(260, 32, 8, _TORCH, "EfficientNetV2B2", "efficientnetv2-b2_notop.h5"),
    "efficientnet_v2b3": Backbone(300, 32, 10, _TORCH, "EfficientNetV2B3", "efficientnetv2-b3_notop.h5"),
    "efficientnet_v2s": Backbone(384, 32, 12, _PLUS_MINUS_128, "EfficientNetV2S", "efficientnetv2-s_notop.h5"),
    "efficientnet_v2m": Backbone(480, 32, 12, _PLUS_MINUS_128, "EfficientNetV2M", "efficientnetv2-m_notop.h5"),
    "efficientnet_v2l": Backbone(480, 32, 16, _PLUS_MINUS_128, "EfficientNetV2L", "efficientnetv2-l_notop.h5"),
    "inception_resnet_v2": Backbone(299, 75, 16, _PLUS_MINUS_1, "InceptionResNetV2", "inception_resnet_v2" + _NO_TOP),
    "inception_v3": Backbone(299, 75, 16, _PLUS_MINUS_1, "InceptionV3", "inception_v3" + _NO_TOP),
    "mobilenet": Backbone(224, 32, 16, _PLUS_MINUS_1, "MobileNet", "mobilenet_1_0_224_tf_no_top.h5"),
    "mobilenet_v2": Backbone(
        224, 32, 24, _PLUS_MINUS_1, "MobileNetV2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    ),
    "mobilenet_v3_large": Backbone(
        224, 32, 16, _PLUS_MINUS_1, "MobileNetV3Large", "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5"
    ),
    "mobilenet_v3_small": Backbone(
        224, 32, 4.5, _PLUS_MINUS_1, "MobileNetV3Small", "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"
    ),
    "nasnet_large": Backbone(331, 32, 42, _PLUS_MINUS_1, "NASNetLarge", "nasnet_large_no_top.h5"),
    "nasnet_mobile": Backbone(224, 32, 9, _PLUS_MINUS_1, "NASNetMobile", "nasnet_mobile_no_top.h5"),
    "resnet50": Backbone(224, 32, 16, _CAFFE, "ResNet50", "resnet50" + _NO_TOP),
    "resnet101": Backbone(224, 32, 16, _CAFFE, "ResNet101", "resnet101" + _NO_TOP),
    "resnet152": Backbone(224, 32, 16, _CAFFE, "ResNet152", "resnet152" + _NO_TOP),
    "resnet50_v2": Backbone(224, 32, 16, _PLUS_MINUS_1, "ResNet50V2", "resnet50v2" + _NO_TOP),
    "resnet101_v2": Backbone(224, 32, 16, _PLUS_MINUS_1, "ResNet101V2", "resnet101v2" + _NO_TOP),
    "resnet152_v2": Backbone(224, 32, 16, _PLUS_MINUS_1, "ResNet152V2", "resnet152v2" + _NO_TOP),
    "vgg16": Backbone(224, 32, 64, _CAFFE, "VGG16", "vgg16" + _NO_TOP),
    "vgg19": Backbone(224, 32, 64, _CAFFE, "VGG19", "vgg19" + _NO_TOP),
    "xception": Backbone(299, 71, 31, _PLUS_MINUS_1, "Xception", "xception" + _NO_TOP),
}
