"""Two machines, as two network namespaces of this one joined by a virtual cable: real addresses, sockets of their own, started by torchrun."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from contextssl import checkpoints
from contextssl.data.shapes import ShapesSource
from contextssl.records.results import read_results
from tests.sources import toy_store

pytestmark = pytest.mark.long
PORT = "29571"
TINY = (
    *("dataset=shapes", "resolution=16", "batch_size=8", "block_size=8", "pairs_per_item=1", "backbone=resnet_compact"),
    *("feature_norm=batch", "width=16", "n_layer=1", "projection_dim=16", "auxiliary_width=16", "env_per=sequence", "precision=32-true"),
    *("workers=0", "accelerator=cpu", "devices=1", "log_every_steps=1", "progress=false"),
)


@dataclass
class Started:
    """torchrun on one machine, and the file that it and the run write to."""

    process: subprocess.Popen[bytes]
    log: Path
    machine: str

    def there(self) -> dict[int, bytes]:
        """Every process of the machine, with its command line."""
        listed = subprocess.run(["ip", "netns", "pids", self.machine], capture_output=True, text=True, check=True, timeout=20).stdout
        found: dict[int, bytes] = {}
        for number in map(int, listed.split()):
            with suppress(OSError):
                found[number] = Path(f"/proc/{number}/cmdline").read_bytes()
        return found

    def signal(self, kind: signal.Signals, everything: bool) -> None:
        """To the processes that train, or to all of the machine."""
        for number, command in self.there().items():
            if everything or b"torch.distributed.run" not in command:
                with suppress(ProcessLookupError):
                    os.kill(number, kind)

    def kill(self) -> None:
        self.signal(signal.SIGKILL, everything=True)
        self.process.wait(20)


class Machine:
    """A network namespace with one address."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address, self.interface = name, address, f"{name}-v"

    def start(self, rank: int, log: Path, *words: str) -> Started:
        """A process of a run on two machines, by torchrun."""
        environment = {**os.environ, "GLOO_SOCKET_IFNAME": self.interface, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", f"--node-rank={rank}"]
        torchrun += ["--master-addr=10.77.31.1", f"--master-port={PORT}", "-m", "contextssl", "train", *TINY, "num_nodes=2", *words]
        command = ["ip", "netns", "exec", self.name, *torchrun]
        with log.open("w") as file:
            return Started(
                subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True), log, self.name
            )


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need Linux's ip, and root")
    tag = f"cs{os.getpid() % 10_000}"
    both = (Machine(f"{tag}a", "10.77.31.1"), Machine(f"{tag}b", "10.77.31.2"))
    try:
        for machine in both:
            ip("netns", "add", machine.name)
        ip("link", "add", both[0].interface, "type", "veth", "peer", "name", both[1].interface)
        for machine in both:
            ip("link", "set", machine.interface, "netns", machine.name)
            inside = ("netns", "exec", machine.name, "ip")
            ip(*inside, "addr", "add", f"{machine.address}/24", "dev", machine.interface)
            ip(*inside, "link", "set", "lo", "up")
            ip(*inside, "link", "set", machine.interface, "up")
    except (subprocess.SubprocessError, OSError) as error:
        _remove(both)
        pytest.skip(f"network namespaces cannot be made here: {error}")
    yield both
    _remove(both)


def _remove(both: tuple[Machine, Machine]) -> None:
    for machine in both:
        subprocess.run(["ip", "netns", "del", machine.name], check=False, capture_output=True, timeout=20)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machines") / "data"
    source = ShapesSource(classes=2, objects_per_class=15, val_objects_per_class=3, num_views=4)
    toy_store(folder, source, resolution=16)  # type: ignore[arg-type]
    return folder


def together(machines: tuple[Machine, Machine], logs: Path, *words: str) -> list[Started]:
    logs.mkdir()
    return [machine.start(rank, logs / f"{rank}.log", *words) for rank, machine in enumerate(machines)]


def ended(started: list[Started], seconds: float = 240) -> list[tuple[int, str]]:
    """Exit codes and what was said."""
    deadline = time.monotonic() + seconds
    try:
        for each in started:
            each.process.wait(max(deadline - time.monotonic(), 1))
    finally:
        for each in started:
            each.kill()
    return [(each.process.returncode, each.log.read_text()) for each in started]


def until_it_trains(run: Path) -> None:
    deadline = time.monotonic() + 120
    while not (run / "metrics.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.1)


def test_two_machines_reach_the_weights_of_one(machines: tuple[Machine, Machine], data: Path) -> None:
    words = (f"data_dir={data}", "epochs=3")
    for code, said in ended(together(machines, data.parent / "logs-two", *words, f"run_dir={data.parent / 'two'}")):
        assert code == 0, said[-3000:]
    alone = [sys.executable, "-m", "contextssl", "train", *TINY, *words, f"run_dir={data.parent / 'one'}"]
    subprocess.run(alone, check=True, capture_output=True, timeout=900)
    one, two = (checkpoints.read(data.parent / name / "checkpoints" / "last.ckpt")["state_dict"] for name in ("one", "two"))
    assert one.keys() == two.keys()
    for key, value in one.items():
        # Each process normalises features over its own share of the batch.
        if "running" not in key:
            torch.testing.assert_close(two[key], value, atol=2e-2, rtol=0.1)
    about = [read_results(data.parent / name)[0] for name in ("one", "two")]
    assert about[0]["images"] == about[1]["images"] == 180 and about[0]["steps"] == about[1]["steps"]


def test_a_warning_to_both_saves_and_the_next_job_goes_on(machines: tuple[Machine, Machine], data: Path) -> None:
    """As Slurm's SIGUSR1 before the time is up; the same command with resume= then ends the run."""
    run = data.parent / "warned"
    started = together(machines, data.parent / "logs-warned", f"data_dir={data}", "epochs=4000", f"run_dir={run}")
    until_it_trains(run)
    for each in started:
        each.signal(signal.SIGUSR1, everything=False)
    found = ended(started, 60)
    step = checkpoints.read(run / "checkpoints" / "last.ckpt")["global_step"]
    assert 0 < step < 4000 * 4, found
    again = ended(together(machines, data.parent / "logs-again", f"resume={run}", "max_minutes=0.02"), 120)
    assert checkpoints.read(run / "checkpoints" / "last.ckpt")["global_step"] > step, again


def test_where_one_machine_is_gone_the_other_ends_by_a_sentence(machines: tuple[Machine, Machine], data: Path) -> None:
    run = data.parent / "lost"
    started = together(machines, data.parent / "logs-lost", f"data_dir={data}", "epochs=4000", f"run_dir={run}")
    until_it_trains(run)
    started[1].kill()
    (code, said), _ = ended(started, 90)
    assert code != 0
    lines = [line for line in said.splitlines() if line.startswith("contextssl:")]
    assert lines and "Traceback" not in said.split("torch/distributed/elastic", 1)[0], said[-3000:]
