"""What all pages share: pictures inside the page, and one style."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cnnexp.report.pages import picture, template


def opened(address: str) -> Image.Image:
    kind, _, content = address.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert kind == f"data:image/{image.format.lower()}"
    return image


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(8, 8, 1), (64, 48, 3), (5, 9, 4)])
@pytest.mark.parametrize("side", [None, 112])
def test_a_small_picture_keeps_every_pixel(shape, side):
    pixels = noise(*shape)
    np.testing.assert_array_equal(np.asarray(opened(picture(pixels, side=side))).reshape(shape), pixels)


@pytest.mark.parametrize(("shape", "size"), [((224, 224, 3), (112, 112)), ((300, 150, 1), (56, 112))])
def test_a_large_picture_has_the_size_at_which_it_is_shown(shape, size):
    address = picture(noise(*shape), side=112)
    assert opened(address).size == size
    assert len(address) < 20_000
    assert opened(picture(noise(*shape))).size == shape[1::-1]  # whole, where no size is given


@pytest.mark.parametrize("page", ["comparison/page.html.j2", "data_page.html.j2", "prediction/page.html.j2"])
def test_no_page_has_a_style_of_its_own(page):
    source = template(page).environment.loader.get_source(template(page).environment, page)[0]
    assert "<style" not in source
    assert 'import "base.html.j2"' in source
