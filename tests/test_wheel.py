"""The built wheel: its contents, and that it works from any folder."""

import os
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
    assert "cnnexp/py.typed" in names


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
