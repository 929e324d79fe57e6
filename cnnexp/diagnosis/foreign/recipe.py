"""A preprocessing as lines of Python, for a reader who has to write them."""

from cnnexp.diagnosis.foreign.preprocessing import KERNELS, Preprocessing, Statistics

_VALUES = {
    "0..1": "x = x / 255",
    "-1..1": "x = x / 127.5 - 1",
    "-0.5..0.5": "x = x / 255 - 0.5",
    "image": "x = (x - x.mean()) / x.std()",
}
_MEANS, _DEVIATIONS = "[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]"


def recipe(
    wanted: Preprocessing, *, size: tuple[int, int], statistics: Statistics, channels_first: bool
) -> tuple[str, ...]:
    """Return the lines that make the model's input `x` of a file."""
    spec = wanted.spec(*size)
    kernel, antialias, _ = KERNELS[wanted.kernel]
    width, height = spec.width, spec.height
    target, resampling = f"({width}, {height})", f"Image.Resampling.{kernel.upper()}"
    mode, channel = ("L", "[..., None]") if wanted.channels == "grey" else ("RGB", "")
    lines = [f'image = Image.open(file).convert("{mode}")']
    rule, _, margin = wanted.fit.partition("-")
    match rule, antialias or kernel == "nearest":
        case "stretch", True:
            lines.append(f"image = image.resize({target}, {resampling})")
        case "pad", True:
            lines.append(f"image = ImageOps.pad(image, {target}, {resampling}, color=0)")
        case "crop", True:
            lines.append(f"image = ImageOps.fit(image, {target}, {resampling})")
        case "stretch", False:
            lines.append(f'image = tf.image.resize(np.asarray(image){channel}, ({height}, {width}), "{kernel}")')
        case "pad", False:
            resized = f'tf.image.resize_with_pad(np.asarray(image){channel}, {height}, {width}, "{kernel}")'
            lines.append(f"image = {resized}")
        case _:
            lines += [
                f"step = min(image.width / {width}, image.height / {height})",
                f"left, upper = (image.width - {width} * step) / 2, (image.height - {height} * step) / 2",
                "places = (step, 0, left, 0, step, upper)",
                f"image = image.transform({target}, Image.Transform.AFFINE, places, {resampling})",
            ]
    lines.append("x = np.asarray(image, np.float32)" + ("" if "tf." in lines[-1] else channel))
    if margin:
        top, left = (spec.height - size[0]) // 2, (spec.width - size[1]) // 2
        lines.append(f"x = x[{top}:{top + size[0]}, {left}:{left + size[1]}]")
    if wanted.polarity == "inverted":
        lines.append("x = 255 - x")
    lines += _of_values(wanted, statistics)
    if wanted.channels == "bgr":
        lines.append("x = x[..., ::-1]")
    if channels_first:
        lines.append("x = x.transpose(2, 0, 1)")
    return tuple(lines)


def _of_values(wanted: Preprocessing, statistics: Statistics) -> list[str]:
    grey = wanted.channels == "grey"
    match wanted.values:
        case "0..255":
            return []
        case "imagenet":
            return ["x = (x / 255 - 0.449) / 0.226" if grey else f"x = (x / 255 - {_MEANS}) / {_DEVIATIONS}"]
        case "means":
            return ["x = x - 114.5" if grey else "x = x - [123.68, 116.78, 103.94]"]
        case "data":
            mean, deviation = (
                [round(number, 1) for number in numbers] for numbers in (statistics.mean, statistics.deviation)
            )
            return [
                f"x = (x - {mean}) / {deviation}  # of your labelled images; those of the training images are better"
            ]
        case _:
            return [_VALUES[wanted.values]]
