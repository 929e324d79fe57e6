"""A Slurm of one node on this machine, with daemons of its own in a temporary folder, ended with its tests."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.cluster import free_port, kill_tree
from support.sweep_processes import wait_for

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")

CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={daemon}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=30
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=tests Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def _program(name):
    """Return a program's path; Debian keeps daemons where only root looks."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Slurm:
    """The node, and what its queue says."""

    def __init__(self, folder):
        self._folder = folder
        self._daemons = []

    def start(self):
        for name in ("state", "spool"):
            (self._folder / name).mkdir()
        key = self._folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        places = [f"--{option}={self._folder}/munge.{ending}" for option, ending in files.items()]
        self._daemon("munged", "--foreground", "--force", *places)
        wait_for((self._folder / "munge.socket").exists)
        configuration = self._folder / "slurm.conf"
        values = {"host": socket.gethostname().partition(".")[0], "control": free_port(), "daemon": free_port()}
        configuration.write_text(CONFIGURATION.format(folder=self._folder, cpus=os.cpu_count(), **values))
        os.environ["SLURM_CONF"] = str(configuration)
        self._daemon("slurmctld", "-D", "-i")
        self._daemon("slurmd", "-D")
        wait_for(lambda: self.control("ping").endswith("is UP") and "idle" in self.ask("sinfo", "-h", "-o", "%T"))

    def ask(self, *command):
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.strip()

    def control(self, *words):
        return self.ask("scontrol", *words)

    def queue(self):
        """Return the numbers of jobs that wait or run, such as 3_1, by their state."""
        lines = self.ask("squeue", "-h", "-r", "-o", "%T %i").splitlines()
        return [tuple(line.split()) for line in lines]

    def job(self, number, field):
        found = re.search(rf"\b{field}=(\S+)", self.control("show", "job", number))
        return found and found[1]

    def end(self):
        self.ask("scancel", "--user=root")
        for process in reversed(self._daemons):
            kill_tree(process)

    def _daemon(self, name, *words):
        with (self._folder / f"{name}.log").open("w") as log:
            command = [_program(name), *words]
            self._daemons.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder))


@contextmanager
def one_node():
    """Begin the daemons; skip with the reason where that is impossible."""
    missing = [name for name in PROGRAMS if _program(name) is None]
    if missing:
        pytest.skip(f"Slurm is not installed: no {', '.join(missing)} (Debian's packages are slurm-wlm and munge)")
    if os.getuid() != 0:
        pytest.skip("Slurm's daemons are started as root")
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", "")  # and what it was again afterwards
        slurm = Slurm(folder)
        try:
            slurm.start()
            yield slurm
        finally:
            slurm.end()
            shutil.rmtree(folder, ignore_errors=True)
