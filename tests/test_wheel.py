"""The built wheel: its contents, and that it works from any folder."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_contains_package_plugins_and_configuration_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"cnnexp", "hydra_plugins"}
    shipped = {name.removeprefix("cnnexp/conf/") for name in names if name.startswith("cnnexp/conf/")}
    source = {str(path.relative_to(ROOT / "conf")) for path in (ROOT / "conf").rglob("*.yaml")}
    assert source <= shipped
    templates = {path.name for path in (ROOT / "cnnexp").rglob("*.j2")}
    assert templates <= {Path(name).name for name in names}
    scripts = {str(path.relative_to(ROOT)) for path in (ROOT / "cnnexp" / "report" / "comparison" / "page").iterdir()}
    assert scripts <= set(names)
    assert "cnnexp/py.typed" in names


@pytest.mark.slow
def test_the_wheel_works_in_an_environment_of_its_own(wheel, tmp_path):
    """As a user has it: nothing but what the wheel itself asks for, and the first command in an empty folder."""
    python, empty = tmp_path / "venv" / "bin" / "python", tmp_path / "empty"
    empty.mkdir()
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    install = [str(python), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)]
    subprocess.run(install, cwd=empty, check=True, capture_output=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python.with_name("cnnexp")), "training=smoke", "model=small"]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "findings" in done.stdout
    assert {path.name for path in empty.iterdir()} <= {"mlflow.db", "mlartifacts", "outbox"}


def test_every_python_that_is_named_is_one_that_may_install_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        metadata = archive.read(name).decode()
    assert re.findall(r"Python :: (3\.\d+)", metadata) == ["3.11", "3.12", "3.13"]
    assert "Requires-Python: >=3.11" in metadata


def test_the_wheel_works_from_any_folder_without_the_source_tree(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    found = subprocess.run(
        [sys.executable, "-c", "import cnnexp; print(cnnexp.__file__)"],
        cwd=empty, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert found.stdout.startswith(str(tmp_path))
    shown = subprocess.run(
        [sys.executable, "-m", "cnnexp", "model=regularized", "--cfg", "job"],
        cwd=empty, env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "name: dropout_l2" in shown.stdout
    assert list(empty.iterdir()) == []
