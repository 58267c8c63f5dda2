"""The Slurm script of docs/clusters.md, with stand-ins for srun and scontrol: a warning saves and queues the job again, which ends the run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from contextssl import checkpoints

ROOT = Path(__file__).parents[2]
# As the script's command, at a tiny size, and of one process.
SRUN = """#!{python}
import os, sys
words = [word for word in sys.argv[2:] if not word.startswith(("devices=", "num_nodes=", "data_dir="))]
if not any(word.startswith("resume=") for word in words):
    words += {tiny!r}
os.execv(sys.executable, [sys.executable, "-m", "contextssl", *words])
"""
SCONTROL = '#!/bin/sh\necho "$@" >> scontrol.txt\n'
TINY = [
    *("dataset=shapes", "classes=2", "objects=8", "val_objects=2", "views=4", "resolution=16", "epochs=40", "batch_size=8", "block_size=8"),
    *("backbone=resnet_compact", "width=16", "n_layer=1", "projection_dim=16", "auxiliary_width=16", "workers=0", "accelerator=cpu"),
    *("log_every_steps=1", "progress=false"),
]


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def trained_by(session: int) -> list[int]:
    """The processes of a session that train."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getsid(int(folder.name)) == session and b"\0contextssl\0train\0" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")
def test_a_warned_job_is_queued_again_and_ends_the_run(tmp_path: Path) -> None:
    (script,) = [
        block for block in re.findall(r"```bash\n(.*?)```", (ROOT / "docs/clusters.md").read_text(), flags=re.DOTALL) if "#SBATCH" in block
    ]
    write(tmp_path / "job.sh", script)
    (tmp_path / "bin").mkdir()
    write(tmp_path / "bin" / "srun", SRUN.format(python=sys.executable, tiny=TINY))
    write(tmp_path / "bin" / "scontrol", SCONTROL)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "4711",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    def job() -> subprocess.Popen[bytes]:
        return subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, env=environment, start_new_session=True)

    first = job()
    run = tmp_path / "runs/paper"
    deadline = time.monotonic() + 120
    while not (run / "metrics.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    # As --signal=USR1@120 does: to the processes of the job's step, and not to the script.
    training = trained_by(first.pid)
    assert training
    for number in training:
        os.kill(number, signal.SIGUSR1)
    assert first.wait(60) == 138
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 4711\n"
    stopped = checkpoints.read(run / "checkpoints" / "last.ckpt")["global_step"]
    assert 0 < stopped < 80
    second = job()
    try:
        assert second.wait(240) == 0
    finally:
        if second.poll() is None:
            os.killpg(second.pid, signal.SIGKILL)
    assert checkpoints.read(run / "checkpoints" / "last.ckpt")["global_step"] == 80
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 4711\n"
