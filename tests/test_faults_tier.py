"""The ci tier of the benchmark of faults, as it is typed: every case ends, with a verdict that can be scored."""

import subprocess
import sys
from pathlib import Path

import pytest

from cnnexp.cli.code_flags import with_code
from cnnexp.compose import compose_config, register_added

sys.path.append(str(Path(__file__).parents[1]))
from benchmarks.faults import records
from benchmarks.faults.cases import all_cases
from benchmarks.faults.compose_case import EXTENSION, settings
from benchmarks.faults.tiers import chosen

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_every_case_of_the_ci_tier_ends_with_a_record(tmp_path):
    asked = [sys.executable, "-m", "benchmarks.faults", "run", "--state", str(tmp_path), "--passive"]
    done = subprocess.run([*asked, "--minutes", "30"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ended = {record.case: record for record in records.read(tmp_path / "records.jsonl")}
    assert ended.keys() == {case.id for case in chosen("ci", "development")}
    refused = {record.case for record in ended.values() if record.error}
    assert refused == {"S3/digits/small/high"}  # a class without training images
    assert "false alarms on healthy runs" in done.stdout


@pytest.mark.slow
def test_a_case_can_be_run_again_on_the_run_that_was_kept(tmp_path):
    asked = [sys.executable, "-m", "benchmarks.faults", "run", "--state", str(tmp_path), "--only", "T3/"]
    subprocess.run(asked, cwd=ROOT, capture_output=True, check=True)
    done = subprocess.run([*asked, "--again"], cwd=ROOT, capture_output=True, text=True, check=True)
    (record,) = records.read(tmp_path / "records.jsonl")  # of the same version: nothing is run again
    assert record.case == "T3/digits/small/high"
    assert record.reported is not None
    assert "T3" in done.stdout


@pytest.mark.slow
def test_a_tier_goes_on_after_its_process_died_in_a_case_twice(tmp_path):
    asked = [sys.executable, "-m", "benchmarks.faults", "run", "--state", str(tmp_path), "--passive", "--minutes", "0"]
    (tmp_path / "running.txt").write_text("T3/digits/small/high 2")
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 75, done.stderr  # cases are left
    (record,) = records.read(tmp_path / "records.jsonl")
    assert (record.case, record.named) == ("T3/digits/small/high", ())
    assert "twice" in record.error
    assert not (tmp_path / "running.txt").exists()


@pytest.mark.slow
def test_every_command_line_of_both_parts_is_one_that_the_program_takes():
    lines = {settings(case, faulty=faulty) for case in all_cases() for faulty in (True, False)}
    assert len(lines) > 150
    with with_code(["--extend", str(EXTENSION)]):
        register_added()
        for line in lines:
            compose_config([*line, "data=digits"])
