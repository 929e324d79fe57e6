"""The images that a Python program hands over: files, folders, Pillow images and arrays, one or many."""

import itertools
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnexp.images import ImageInput, ImageSpec
from cnnexp.saved import ListedImage, list_images

ALLOWED = (
    "a path of a file, folder or table, the bytes of a file, a Pillow image, an array (H, W), (H, W, 1), (H, W, 3) or "
    "(H, W, 4) of uint8, an array (N, H, W, C) or (N, H, W) of many, or a list of these"
)
_CHANNELS = (1, 3, 4)
_LEVELS = (np.uint8, np.uint16, np.bool_)  # black and white are the ends of the type
_ARRAY_MODES = ("1", "L", "RGB", "RGBA", "I", "F", "I;16", "I;16L", "I;16B")  # whose arrays mean what the image means


def list_given(images: object, *, spec: ImageSpec, root: Path | None) -> Iterator[ListedImage]:
    """Yield every image of what was handed over, in its order; only tables are opened.

    Args:
        images: see `ALLOWED`. An array or image has the name ``image N``, by its place among all images, unless Pillow
            knows its file.
        spec: of the model: with a value range, it takes levels of any type.
        root: as in `list_images`.

    Raises:
        TypeError: something in it is no image, or has levels that the model does not take, such as floating point.

    """
    for place, item in enumerate(_items(images, grey=spec.shape[2] == 1)):
        yield from _listed(item, spec=spec, root=root, place=place)


def _items(images: object, *, grey: bool) -> Iterator[object]:
    """Yield images, files and folders one by one; text and bytes are one, whatever they contain."""
    if isinstance(images, str | PathLike | bytes | Image.Image):
        yield images
    elif hasattr(images, "__array__") and not hasattr(images, "columns"):  # a table of pandas is none
        yield from _of_array(np.asarray(images), grey=grey)
    elif isinstance(images, Iterable) and not isinstance(images, dict) and not hasattr(images, "columns"):
        yield from itertools.chain.from_iterable(_one_or_stack(item, grey=grey) for item in images)
    else:
        _refuse(images)


def _one_or_stack(item: object, *, grey: bool) -> Iterator[object]:
    """Yield an item of a list; a list within it is refused, because it could be pixels as well as files."""
    if isinstance(item, list | tuple | dict | set):
        _refuse(item)
    return _items(item, grey=grey)


def _of_array(array: NDArray[Any], *, grey: bool) -> Iterator[object]:
    if array.dtype.kind in "OUST" and array.ndim == 1:  # of paths, as a column of a table is
        yield from itertools.chain.from_iterable(_one_or_stack(item, grey=grey) for item in array.tolist())
    elif array.ndim == 4 or (array.ndim == 3 and array.shape[-1] not in _CHANNELS):
        _require_channels_last(array, grey=grey)
        yield from array
    else:
        yield array


def _require_channels_last(stack: NDArray[Any], *, grey: bool) -> None:
    """Refuse what PyTorch calls an image: it would be taken for three grey ones, as a `grey` model gets them.

    Raises:
        TypeError: the channels are not the last axis, or seem not to be.

    """
    is_first = stack.ndim == 4 or (stack.shape[0] in _CHANNELS and not grey)
    if is_first and stack.shape[-1] not in _CHANNELS:
        raise TypeError(
            f"The channels of an image must be its last axis; got an array {stack.shape}. "
            "Move them: numpy.moveaxis(images, -3, -1); hand grey images over as a list."
        )


def _listed(item: object, *, spec: ImageSpec, root: Path | None, place: int) -> Iterator[ListedImage]:
    match item:
        case str() | PathLike():
            yield from list_images([str(item)], root=root)
        case Image.Image():
            name = str(getattr(item, "filename", "") or f"image {place}")
            yield ListedImage(name, None, content=_of_pillow(item))
        case bytes():
            yield ListedImage(f"image {place}", None, content=item)
        case np.ndarray():
            _require_pixels(item, spec)
            yield ListedImage(f"image {place}", None, content=item)
        case _:
            _refuse(item)


def _of_pillow(image: Image.Image) -> ImageInput:
    """Return the pixels upright, as a viewer shows them."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode in _ARRAY_MODES:
        return np.asarray(upright)
    return np.asarray(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))


def _require_pixels(pixels: NDArray[Any], spec: ImageSpec) -> None:
    """Refuse an array whose shape or levels are no image's; a model with a value range was trained on such levels.

    Raises:
        TypeError: it is of another shape, or of a type whose black and white nobody can be sure of.

    """
    if pixels.ndim not in (2, 3) or pixels.size == 0 or (pixels.ndim == 3 and pixels.shape[2] not in _CHANNELS):
        raise TypeError(f"An image is {ALLOWED}; got an array {pixels.shape}.")
    if pixels.dtype in _LEVELS or spec.value_range is not None:
        return
    if pixels.dtype.kind not in "iuf":
        raise TypeError(f"Pixels must be whole numbers from 0 to 255, uint8; got {pixels.dtype}.")
    low, high = pixels.min().item(), pixels.max().item()
    raise TypeError(
        f"Pixels must be whole numbers from 0 to 255, uint8; got {pixels.dtype} from {low:g} to {high:g}. "
        f"{_how_to_convert(pixels.dtype.kind, low, high)}"
    )


def _how_to_convert(kind: str, low: float, high: float) -> str:
    if kind == "f" and low >= 0 and high <= 1:
        return "Write (images * 255).round().astype('uint8')."
    if low >= 0 and high <= 255:
        return f"Write images{'.round()' if kind == 'f' else ''}.astype('uint8')."
    return "Take the pixels as they were before they were normalized: the first layer of the model does that."


def _refuse(images: object) -> NoReturn:
    raise TypeError(f"An image is {ALLOWED}; got {type(images).__name__}.")
