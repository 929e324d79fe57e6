"""Kernels of Jupyter as a notebook's front end has them, and the notebook of the documentation."""

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_client.manager import KernelManager

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


@dataclass
class Reply:
    """What a cell has given back."""

    status: str  # ok | error
    error: str = ""
    traceback: tuple = ()
    shown: list = field(default_factory=list)  # the text/plain of outputs and of their updates, in their order
    pages: list = field(default_factory=list)  # the text/html of outputs
    printed: str = ""


class Kernel:
    """One kernel that runs."""

    def __init__(self, manager, client):
        self.manager = manager
        self._client = client

    def start(self, code):
        """Begin to execute a cell."""
        return self._client.execute(code)

    def wait(self, message_id, *, seconds=300):
        """Wait until the cell is done."""
        reply, end = Reply("ok"), time.monotonic() + seconds
        while time.monotonic() < end:
            message = self._client.get_iopub_msg(timeout=seconds)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return reply
            if message["msg_type"] == "stream":
                reply.printed += content["text"]
            elif message["msg_type"] == "error":
                reply.status, reply.error, reply.traceback = "error", content["ename"], tuple(content["traceback"])
            elif "data" in content:
                reply.shown.append(content["data"].get("text/plain", ""))
                reply.pages += [content["data"]["text/html"]] if "text/html" in content["data"] else []
        raise AssertionError(f"the cell was not done within {seconds} seconds")

    def run(self, code):
        """Execute a cell."""
        return self.wait(self.start(code))


@contextmanager
def kernel(folder):
    """Give a kernel that runs in a folder."""
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(Path(folder) / "kernel"))
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)


def code_of(path):
    """Return the code cells of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def write_outputs(path):
    """Execute a notebook and keep what it shows as text and figures; pages would be large, and show folders."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600).execute()
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("text/html", None)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    write_outputs(Path(sys.argv[1]) if len(sys.argv) > 1 else NOTEBOOK)
