"""What the logged model takes, asked in this process; test_tracking_model asks a server."""

import base64
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest

from cnnexp.portable import golden
from cnnexp.portable.served_model import _load_pyfunc  # the name under which MLflow calls it
from support import trained_model

IMAGE = trained_model.digits()[0][17]  # (8, 8) uint8
FILE = golden.to_png(golden.as_image(IMAGE[..., None]))
TEXT = base64.b64encode(FILE).decode()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    return _load_pyfunc(str(trained_model.folder(tmp_path_factory.mktemp("served") / "m")))


@pytest.fixture(scope="module")
def expected():
    return trained_model.model().forward(IMAGE[None, ..., None])[0][0].tolist()


def answer(served, source):
    return served.predict(pd.DataFrame({"image": pd.Series([source], dtype=object)})).to_dict("records")[0]


@pytest.mark.parametrize(
    "source",
    [
        FILE, TEXT, base64.encodebytes(FILE).decode(), "\r\n".join((TEXT[:40], TEXT[40:])), f" {TEXT}\n",
        TEXT.rstrip("="), base64.urlsafe_b64encode(FILE).decode(), base64.urlsafe_b64encode(FILE).decode().rstrip("="),
        f"data:image/png;base64,{TEXT}", f"data:;base64,{TEXT}", f"DATA:image/png;name=a.png;base64,{quote(TEXT, '')}",
        f"data:image/png;base64,{base64.encodebytes(FILE).decode()}",
        IMAGE, IMAGE[..., None], IMAGE.tolist(), IMAGE.astype(float), IMAGE.astype(float).tolist(), IMAGE.astype(int),
    ],
)  # fmt: skip
def test_an_image_is_answered_however_a_program_writes_it(served, expected, source):
    given = answer(served, source)
    assert given["error"] is None
    assert list(given["probabilities"].values()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (IMAGE / 255, "these have fractions"),
        ((IMAGE / 255).astype(np.float32).tolist(), "these have fractions"),
        ((IMAGE / 255).astype(np.float16), "these have fractions"),
        (IMAGE / 127.5 - 1, "rows of pixels from 0 to 255"),
        ((IMAGE > 99).astype(float), "or end at 1"),
        ((IMAGE > 99).astype(float).tolist(), "or end at 1"),
        ([[10**400, 1], [1, 1]], "rows of pixels from 0 to 255"),
        ([[float("nan"), 1], [1, 1]], "rows of pixels from 0 to 255"),
        ({"a": 1}, "rows of pixels from 0 to 255"),
        (None, "rows of pixels from 0 to 255"),
        ("photo.png", "must be the base64 of an image file"),
        (f"data:image/png,{TEXT}", ""),
        ("", "empty"),
        ("é", "must be the base64 of an image file"),
    ],
)  # fmt: skip
def test_scaled_pixels_and_what_is_no_image_get_a_reason(served, source, reason):
    given = answer(served, source)
    assert given["label"] is None
    assert reason in given["error"]
    assert "\n" not in given["error"]


@pytest.mark.parametrize(
    "images", [IMAGE[None, ..., None] / 255, IMAGE[None, ..., None].astype("float32"), IMAGE[None]]
)
def test_the_model_itself_refuses_other_pixels(images):
    with pytest.raises((TypeError, ValueError), match=r"takes uint8 images \(N, 8, 8, 1\), values from 0 to 255; got"):
        trained_model.model().forward(images)
