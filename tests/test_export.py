import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cnnexp.errors import ConfigError, ModelError
from cnnexp.portable import predict
from cnnexp.saved import open_model
from cnnexp.saved.export import export
from support import trained_model
from support.exported_script import run_alone


def test_an_export_holds_all_and_answers_as_the_model(tmp_path):
    source, target = trained_model.folder(tmp_path / "model"), tmp_path / "deep" / "exported"
    export(source, target, onnx=False)
    assert sorted(path.name for path in target.iterdir()) == [
        "README.txt", "card.json", "features.npz", "model.keras", "predict.py", "reader", "requirements.txt",
    ]  # fmt: skip
    pixels = trained_model.digits()[0][:50, ..., None]
    given, expected = open_model(target).forward(pixels), trained_model.model().forward(pixels)
    np.testing.assert_allclose(given[0], expected[0], atol=1e-5)
    assert "uint8 (N, 8, 8, 1) and gives 10 probabilities" in (target / "README.txt").read_text()
    assert [path.name for path in target.parent.iterdir()] == ["exported"]  # nothing half-made beside it


def test_what_is_in_the_way_is_never_overwritten(tmp_path):
    source = trained_model.folder(tmp_path / "model")
    for target in (tmp_path / "file", tmp_path / "full"):
        if target.name == "file":
            target.write_text("mine")
        else:
            target.mkdir()
            (target / "mine").touch()
        with pytest.raises(ConfigError, match="is there already"):
            export(source, target, onnx=False)
    (tmp_path / "empty").mkdir()
    export(source, tmp_path / "empty", onnx=False)
    assert (tmp_path / "empty" / "card.json").exists()


def test_an_empty_folder_that_cannot_be_replaced_gets_the_export(tmp_path, monkeypatch):
    """As the current folder, a link, or the root of a disk cannot."""
    source = trained_model.folder(tmp_path / "model")
    (tmp_path / "a b").mkdir()
    (tmp_path / "linked").symlink_to("a b")
    monkeypatch.chdir(tmp_path / "linked")
    export(source, Path(), onnx=False)
    assert sorted(path.name for path in Path().iterdir()) == [
        "README.txt", "card.json", "features.npz", "model.keras", "predict.py", "reader", "requirements.txt",
    ]  # fmt: skip
    assert "README.txt" in [path.name for path in (tmp_path / "a b").iterdir()]
    (tmp_path / "other").mkdir()
    (tmp_path / "to other").symlink_to("other")
    export(source, tmp_path / "to other", onnx=False)
    assert (tmp_path / "other" / "card.json").is_file()


@pytest.mark.parametrize("target", ["file/exported", "x" * 300])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, target):
    source = trained_model.folder(tmp_path / "model")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^An export needs a folder that can be written; .* cannot be: .* Name"):
        export(source, tmp_path / target, onnx=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "model"]


@pytest.mark.parametrize("coverage", ["0", "1", "90", "nan", "most"])
def test_the_script_of_an_export_refuses_a_coverage_that_is_no_share(coverage):
    command = [sys.executable, predict.__file__, "--coverage", coverage, "image.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"must be above 0 and below 1, such as 0.9; got {coverage}" in done.stderr


def test_a_model_that_moved_is_not_exported(tmp_path):
    source = trained_model.with_card(trained_model.folder(tmp_path / "model"), class_names=tuple("9876543210"))
    with pytest.raises(ModelError, match="class order"):
        export(source, tmp_path / "exported", onnx=False)
    assert not (tmp_path / "exported").exists()


def test_what_was_written_is_checked_before_it_has_its_name(tmp_path, monkeypatch):
    """A disk that changes what is written on it."""
    source = trained_model.folder(tmp_path / "model")

    def spoiled(origin, target, **_options):
        content = Path(origin).read_bytes()
        Path(target).write_bytes(content[:-1] if Path(target).name == "model.keras" else content)

    monkeypatch.setattr(shutil, "copyfile", spoiled)
    with pytest.raises(ModelError, match="is not the file its card was written for"):
        export(source, tmp_path / "exported", onnx=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_onnx_asks_for_its_packages_or_gives_the_same_answers(tmp_path):
    source = trained_model.folder(tmp_path / "model")
    try:
        import onnxruntime
        import tf2onnx  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError, match=r"pip install 'cnnexp\[onnx\]'"):
            export(source, tmp_path / "exported", onnx=True)
        return
    export(source, tmp_path / "exported", onnx=True)
    session = onnxruntime.InferenceSession(str(tmp_path / "exported" / "model.onnx"))
    pixels = trained_model.digits()[0][:200, ..., None]
    (given,) = session.run(None, {session.get_inputs()[0].name: pixels})
    np.testing.assert_allclose(given, trained_model.model().forward(pixels)[0], atol=1e-4)


def test_a_conversion_that_answers_differently_is_not_exported(tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra cnnexp[onnx]")
    pytest.importorskip("tf2onnx", reason="needs the extra cnnexp[onnx]")

    class Drifting(onnxruntime.InferenceSession):
        def run(self, *asked):
            return [answer + np.float32(2e-4) for answer in super().run(*asked)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Drifting)
    with pytest.raises(ModelError, match=r"model\.onnx does not answer as the model does.*scaling or weights"):
        export(trained_model.folder(tmp_path / "model"), tmp_path / "exported", onnx=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


@pytest.mark.slow
def test_the_folder_works_alone_and_refuses_when_it_was_changed(tmp_path):
    target = tmp_path / "exported"
    export(trained_model.folder(tmp_path / "model"), target, onnx=False)
    names = list(trained_model.result().predictions["test"].files[:5])
    paths = trained_model.save_digits(tmp_path / "images", names)
    (tmp_path / "bad.jpg").write_text("no image")
    code, answers, complaint = run_alone(target, *paths, tmp_path / "bad.jpg")
    assert code == 1
    assert complaint == "", "TensorFlow prints nothing about itself"
    assert answers[-1]["error"] == "it is no JPEG, PNG, BMP, GIF, TIFF, WEBP, PPM image."
    said = np.array([list(answer["probabilities"].values()) for answer in answers[:-1]])
    np.testing.assert_allclose(said, trained_model.result().predictions["test"].probabilities[:5], atol=1e-5)
    (target / "model.keras").write_bytes(b"other")
    code, answers, complaint = run_alone(target, *paths)
    assert (code, answers) == (1, [])
    assert "is not the file its card was written for" in complaint
    assert "Traceback" not in complaint
