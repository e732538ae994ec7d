"""Processes, their CPU time and memory, and the load generator."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Launch:
    """How a program is started, and a word for the table."""

    argv: list
    environment: dict | None = None
    note: str = ""


class Running:
    """A program in a session of its own, on the CPUs that it may use; everything that it starts belongs to it."""

    def __init__(self, launch: Launch, cpus: str, log: pathlib.Path):
        self.note, self.log = launch.note, log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["taskset", "-c", cpus, *map(str, launch.argv)],
                env={**os.environ, **(launch.environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def members(self):
        """`/proc/PID` and the fields of its `stat`, of each process of the session."""
        for directory in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid:
                yield directory, fields

    def cpu_seconds(self) -> float:
        return sum(int(fields[11]) + int(fields[12]) for _, fields in self.members()) / TICKS

    def memory_mib(self) -> float:
        """Memory that nobody else shares, and a share of the rest (PSS)."""
        total = 0
        for directory, _ in self.members():
            try:
                total += int(re.search(r"^Pss: +(\d+)", (directory / "smaps_rollup").read_text(), re.M)[1])
            except OSError:
                continue
        return total / 1024

    def wait_for(self, port: int) -> bool:
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def stop(self) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for directory, _ in list(self.members()):
                try:
                    os.kill(int(directory.name), sign)
                except ProcessLookupError:
                    pass
            until = time.monotonic() + 3
            while time.monotonic() < until:
                self.process.poll()
                if not any(fields[0] != "Z" for _, fields in self.members()):
                    return
                time.sleep(0.05)


@dataclass
class Round:
    """One peer's part of a round."""

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    failed: int


UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}


def load(running: Running, port: int, path: str, connections: int, seconds: int, cpus: str, script: pathlib.Path | None) -> Round:
    """So many seconds of wrk, and what they cost the peer."""
    command = ["taskset", "-c", cpus, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-s", script] if script else []
    before = running.cpu_seconds()
    said = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, timeout=seconds + 60).stdout
    spent = running.cpu_seconds() - before
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", said)
    if total is None or total[1] == "0":
        raise RuntimeError(f"no answers: {said[-200:].strip()!r}")
    count, duration = int(total[1]), float(total[2]) * UNITS[total[3]] / 1000
    latency = {percent: float(value) * UNITS[unit] for percent, value, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s|m)\b", said)}
    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", said)))
    for errors in re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said):
        failed += sum(map(int, errors))
    return Round(count / duration, spent / count * 1e6, latency["50"], latency["99"], failed)
