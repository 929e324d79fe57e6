"""The manifests of docs/kubernetes.md, which were never applied: at least they fit together."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from cnnexp.compose import check_sweep

PAGE = (Path(__file__).parents[1] / "docs" / "kubernetes.md").read_text(encoding="utf-8")
FOUND = [one for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for one in yaml.safe_load_all(block)]
KINDS = {one["kind"]: one for one in FOUND}
JOB = KINDS["RayJob"]["spec"]
GROUPS = [JOB["rayClusterSpec"]["headGroupSpec"], *JOB["rayClusterSpec"]["workerGroupSpecs"]]
PODS = [group["template"]["spec"] for group in (*GROUPS, KINDS["Deployment"]["spec"])]


def words():
    (script,) = shlex.split(JOB["entrypoint"])[2:]
    return shlex.split(script.partition("exec cnnexp ")[2])


def test_there_is_everything_that_a_sweep_needs():
    assert sorted(KINDS) == ["Deployment", "PersistentVolumeClaim", "RayJob", "Service"]


def test_the_command_is_a_sweep_on_ray():
    multirun, *overrides = words()
    assert multirun == "-m"
    assert "hydra/launcher=ray" in overrides
    check_sweep(overrides)


def test_the_store_of_the_command_is_the_server():
    service = KINDS["Service"]
    (port,) = [one["port"] for one in service["spec"]["ports"]]
    assert f"tracking.uri=http://{service['metadata']['name']}:{port}" in words()
    server = KINDS["Deployment"]["spec"]["template"]
    assert service["spec"]["selector"].items() <= server["metadata"]["labels"].items()
    (container,) = server["spec"]["containers"]
    assert f"--port={port}" in container["command"]
    assert f"--allowed-hosts={service['metadata']['name']}:*" in container["command"]


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod["containers"][0]["name"])
def test_every_pod_has_the_image_and_the_volume_at_the_same_path(pod):
    (container,) = pod["containers"]
    assert container["image"] == PODS[0]["containers"][0]["image"]
    assert container["volumeMounts"] == [{"name": "shared", "mountPath": "/shared"}]
    claim = KINDS["PersistentVolumeClaim"]
    assert pod["volumes"] == [
        {"name": "shared", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}},
    ]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_versions_are_those_that_are_tested():
    constraints = (Path(__file__).parents[1] / "constraints.txt").read_text(encoding="utf-8")
    assert f"ray=={JOB['rayClusterSpec']['rayVersion']}\n" in constraints
    assert "'/src[ray,pretrained]' 'ray[default]'" in PAGE
