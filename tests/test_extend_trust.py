"""Code beside a saved model: executed only where it is needed and trusted, and then the model answers as it did."""

import numpy as np
import pytest

from cnnexp.__main__ import main
from cnnexp.errors import ModelError
from cnnexp.portable import user_code
from cnnexp.portable.card import CARD_FILE, MODEL_FILE, Card, digest_of
from cnnexp.portable.user_code import foreign_objects, unregistered_objects
from cnnexp.saved import open_model
from cnnexp.saved.export import export
from support import trained_model
from support.exported_script import run_alone

NAME = f"{user_code.FOLDER}/mine.py"
CODE = """
import keras
from cnnexp.extend import model

@keras.saving.register_keras_serializable("mine")
def half(x):
    return x / 2

@keras.saving.register_keras_serializable("mine")
class Plus(keras.layers.Layer):
    def call(self, x):
        return x + 0.0

@model("plus")
def plus(settings, input_shape, num_classes):
    return None
"""


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    monkeypatch.delenv(user_code.TRUST, raising=False)
    yield
    forget()


@pytest.fixture
def folder(tmp_path):
    """A saved model in which an activation has become a class and a function of the user's, and its card says so."""
    saved = trained_model.folder(tmp_path / "model")
    content = with_own_objects((saved / MODEL_FILE).read_bytes(), tmp_path)
    (saved / user_code.FOLDER).mkdir()
    (saved / NAME).write_text(CODE, encoding="utf-8")
    trained_model.with_model_file(saved, content)
    files = dict(Card.from_json((saved / CARD_FILE).read_text()).files) | {NAME: digest_of(CODE.encode())}
    return trained_model.with_card(saved, files=files)


def with_own_objects(content, folder):
    """The same model with a layer `Plus` at its end, which changes nothing."""
    import keras

    path = folder / "changed.keras"
    path.write_bytes(content)
    classes = {}
    exec(CODE, classes)
    model = keras.models.load_model(path, compile=False)
    keras.Model(model.input, classes["Plus"]()(model.output)).save(path)
    forget()
    return path.read_bytes()


def forget():
    from keras.saving import get_custom_objects

    for name in ("mine>Plus", "mine>half"):
        get_custom_objects().pop(name, None)


def test_code_is_not_executed_and_the_refusal_says_what_is_in_there(folder):
    with pytest.raises(ModelError) as refusal:
        open_model(folder)
    assert "has classes that Keras does not have: Plus." in str(refusal.value)
    assert f"extensions/mine.py ({len(CODE.splitlines())} lines, sha256 {digest_of(CODE.encode())[:12]})" in str(
        refusal.value
    )
    assert "nothing of it was executed" in str(refusal.value)
    assert "add --trust-code, or set CNNEXP_TRUST_CODE=1" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_trusted_code_is_executed_and_the_model_answers_as_before(folder, monkeypatch):
    monkeypatch.setenv(user_code.TRUST, "1")
    pixels = trained_model.digits()[0][:50, ..., None]
    np.testing.assert_allclose(open_model(folder).forward(pixels)[0], trained_model.model().forward(pixels)[0])


def test_the_flag_trusts_for_its_command_alone(folder, tmp_path, capfd):
    (image,) = trained_model.save_digits(tmp_path / "images", ["index-3"])
    assert main(["predict", str(folder), str(image)]) == 1
    assert "--trust-code" in capfd.readouterr().err
    assert main(["predict", "--trust-code", str(folder), str(image)]) == 0
    assert "index-3.png: 3" in capfd.readouterr().out


def test_a_file_that_was_given_by_extend_needs_no_trust(folder, tmp_path, capfd):
    (image,) = trained_model.save_digits(tmp_path / "images", ["index-3"])
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    assert main(["predict", f"--extend={tmp_path}/mine.py", str(folder), str(image)]) == 0
    assert "index-3.png: 3" in capfd.readouterr().out


@pytest.mark.parametrize("trust", ["0", "1", "yes"])
def test_code_that_was_changed_is_never_executed(folder, monkeypatch, trust):
    monkeypatch.setenv(user_code.TRUST, trust)
    (folder / NAME).write_text(CODE + "raise SystemExit('executed')\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"mine\.py in .* is missing, or is not the file its card was written for"):
        open_model(folder)
    (folder / NAME).unlink()
    with pytest.raises(ModelError, match="is missing"):
        open_model(folder)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", r"\(mine\.py\) failed: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 1", r"needs Plus, which mine\.py do not register"),
        ("x = (", r"failed: SyntaxError"),
    ],
)
def test_trusted_code_that_fails_is_one_line(folder, monkeypatch, code, message):
    monkeypatch.setenv(user_code.TRUST, "1")
    (folder / NAME).write_text(code, encoding="utf-8")
    files = dict(Card.from_json((folder / CARD_FILE).read_text()).files) | {NAME: digest_of(code.encode())}
    with pytest.raises(ModelError, match=message) as refusal:
        open_model(trained_model.with_card(folder, files=files))
    assert "\n" not in str(refusal.value)


def test_a_card_cannot_name_a_file_of_another_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setenv(user_code.TRUST, "1")
    (tmp_path / "elsewhere.py").write_text("x = 1", encoding="utf-8")
    name = f"{user_code.FOLDER}/../../elsewhere.py"
    files = dict(Card.from_json((folder / CARD_FILE).read_text()).files) | {name: digest_of(b"x = 1")}
    trained_model.with_card(folder, files=files)
    with pytest.raises(ModelError, match="is missing, or is not the file"):
        open_model(folder)


def test_a_model_of_keras_layers_needs_no_trust_and_its_code_is_not_executed(tmp_path):
    saved = trained_model.folder(tmp_path / "model")
    (saved / user_code.FOLDER).mkdir()
    (saved / NAME).write_text("raise SystemExit('executed')", encoding="utf-8")
    files = dict(Card.from_json((saved / CARD_FILE).read_text()).files) | {NAME: digest_of((saved / NAME).read_bytes())}
    trained_model.with_card(saved, files=files)
    open_model(saved)
    export(saved, tmp_path / "exported", onnx=False)
    assert (tmp_path / "exported" / NAME).read_text() == "raise SystemExit('executed')"
    assert "extensions/: code of whoever trained the model (mine.py)" in (tmp_path / "exported/README.txt").read_text()


def test_an_export_is_refused_without_trust_and_takes_the_code_along_with_it(folder, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="executed only if you trust it"):
        export(folder, tmp_path / "exported", onnx=False)
    assert not (tmp_path / "exported").exists()
    monkeypatch.setenv(user_code.TRUST, "1")
    export(folder, tmp_path / "exported", onnx=False)
    assert (tmp_path / "exported" / NAME).read_text() == CODE


def test_a_run_that_continues_from_it_gets_the_code_which_counts_in_its_hash(folder):
    from cnnexp.runs.earlier_run import earlier_network

    with earlier_network(str(folder), store="sqlite:///none.db") as before:
        assert before.code == {NAME: CODE}
    files = dict(Card.from_json((folder / CARD_FILE).read_text()).files) | {NAME: digest_of(b"# edited")}
    (folder / NAME).write_text("# edited", encoding="utf-8")
    trained_model.with_card(folder, files=files)
    with earlier_network(str(folder), store="sqlite:///none.db") as edited:
        assert edited.digest != before.digest


@pytest.mark.slow
def test_an_exported_folder_works_alone_where_its_code_is_trusted(folder, tmp_path, monkeypatch):
    monkeypatch.setenv(user_code.TRUST, "1")
    export(folder, tmp_path / "exported", onnx=False)
    (image,) = trained_model.save_digits(tmp_path / "images", ["index-3"])
    code, answers, complaint = run_alone(tmp_path / "exported", image)
    assert (code, answers[0]["label"], complaint) == (0, "3", "")
    monkeypatch.delenv(user_code.TRUST)
    code, answers, complaint = run_alone(tmp_path / "exported", image)
    assert (code, answers) == (1, [])
    assert "nothing of it was executed" in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize(
    ("node", "foreign", "unregistered"),
    [
        ({"module": "keras.layers", "class_name": "Dense", "registered_name": None}, [], []),
        ({"module": "keras.src.ops.numpy", "class_name": "Add", "registered_name": "Add"}, [], []),
        ({"module": None, "class_name": "Blur", "registered_name": "Custom>Blur"}, ["Blur"], []),
        ({"module": "mine", "class_name": "Blur", "registered_name": "Blur"}, ["Blur"], ["Blur"]),
        ({"module": "os", "class_name": "function", "config": "fork", "registered_name": "fork"}, ["fork"], ["fork"]),
        ({"module": "builtins", "class_name": "function", "config": "a>f", "registered_name": "function"}, ["f"], []),
        ({"module": "builtins", "class_name": "function", "config": "eval", "registered_name": ""}, ["eval"], ["eval"]),
        ({"class_name": "__tuple__", "items": [1, 2]}, [], []),
    ],
)  # fmt: skip
def test_what_keras_does_not_have_is_found_wherever_it_stands(node, foreign, unregistered):
    description = {"config": {"layers": [{"config": {"activation": node}}]}}
    assert foreign_objects(description) == foreign
    assert unregistered_objects(description) == unregistered
