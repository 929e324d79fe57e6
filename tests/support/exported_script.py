"""The script of an exported model, run without this package."""

import json
import os
import subprocess
import sys

ALONE = "import sys; sys.modules['cnnexp'] = sys.modules['mlflow'] = None; import runpy; sys.argv = sys.argv[1:]; "
ALONE += "sys.path.insert(0, sys.argv[0].rpartition('/')[0]); runpy.run_path(sys.argv[0], run_name='__main__')"


def run_alone(folder, *words):
    """The exported script where neither cnnexp nor MLflow can be imported."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", ALONE, str(folder / "predict.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env=environment)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr
