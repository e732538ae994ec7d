#!/usr/bin/env python3
"""Gives several gateways the same work on this machine, in turn, and prints what each spends on a request.

Needs wrk, nginx and openssl; HAProxy and Envoy take part where they are installed. Reads HEADGATE, PINGORA_RAW and ENVOY for programs
that are elsewhere. README.md says how to read the table.
"""

import argparse
import http.client
import json
import pathlib
import shutil
import statistics
import sys
import tempfile
from dataclasses import asdict

import peers
from measure import Round, Running, load
from work import SCENARIOS, WIDGET, NotTheWork, Work, prove


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(peers.PEERS), help="default: %(default)s")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seconds", type=int, default=1, help="of one peer in one round; default: %(default)s")
    parser.add_argument("--connections", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="of the gateways; default: %(default)s")
    parser.add_argument("--gateway-cpus", default="0", help="default: %(default)s")
    parser.add_argument("--load-cpus", default="1", help="of the load generator and the origin; default: %(default)s")
    parser.add_argument("--idle", type=int, default=1000, help="idle connections whose memory is measured, 0 for none; default: %(default)s")
    parser.add_argument("--ports", type=int, default=22000, help="the first of a hundred; default: %(default)s")
    parser.add_argument("--json", type=pathlib.Path, help="write every round there")
    given = parser.parse_args()
    for names, known in ((given.peers, peers.PEERS), (given.scenarios, SCENARIOS)):
        if unknown := set(names.split(",")) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return given


class Bench:
    def __init__(self, given: argparse.Namespace, work: Work):
        self.given, self.work = given, work

    def port(self, name: str) -> int:
        return self.given.ports + 10 * (1 + list(peers.PEERS).index(name))

    def start(self, name: str, kind: str) -> Running | str | None:
        """A peer that does the work; a word why it does not; nothing where it never could."""
        try:
            launch = peers.PEERS[name](self.work, kind, self.port(name))
        except peers.Missing as reason:
            return str(reason)
        if launch is None:
            return None
        running = Running(launch, self.given.gateway_cpus, self.work.directory / f"{name}-{kind}.log")
        try:
            if not running.wait_for(self.port(name)):
                raise NotTheWork(f"did not start: {running.log.read_text(errors='replace')[-300:].strip()}")
            prove(kind, self.port(name), self.work, name in peers.OPEN)
        except (NotTheWork, OSError) as reason:
            running.stop()
            return str(reason)
        return running

    def scenario(self, key: str) -> dict[str, list[Round]]:
        scenario, given = SCENARIOS[key], self.given
        started = {name: self.start(name, scenario.kind) for name in given.peers.split(",")}
        running = {name: peer for name, peer in started.items() if isinstance(peer, Running)}
        rounds: dict[str, list[Round]] = {name: [] for name in running}
        try:
            script = self.work.scripts.get(scenario.script)

            def once(name: str, seconds: int) -> Round:
                return load(running[name], self.port(name), scenario.path, given.connections, seconds, given.load_cpus, script)

            for name in running:
                once(name, 1)  # warms up, and is not counted
            order = list(running)
            for _ in range(given.rounds):
                for name in order:
                    rounds[name].append(once(name, given.seconds))
                order = order[1:] + order[:1]  # nobody always comes first
            memory = {name: peer.memory_mib() for name, peer in running.items()}
        finally:
            for peer in running.values():
                peer.stop()
        print(f"\n### {key}: {scenario.title}\n")
        print("| peer | CPU µs a request | ± % | ratio to the yardstick | requests/s | p50 ms | p99 ms | MiB | |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
        for name, peer in started.items():
            if isinstance(peer, Running):
                print(row(name, rounds[name], rounds.get(peers.YARDSTICK), memory[name], peer.note))
            elif peer is not None:
                print(f"| {name} | | | | | | | | {peer.replace('|', '/').splitlines()[0]} |")
        sys.stdout.flush()
        return rounds

    def idle(self) -> None:
        """What a connection that has made one request holds while it waits for the next, and the process before all of them."""
        print(f"\n### {self.given.idle} idle connections\n\n| peer | MiB at start | KiB a connection | |\n| --- | ---: | ---: | --- |")
        for name in self.given.peers.split(","):
            peer = self.start(name, "proxy")
            if isinstance(peer, str):
                print(f"| {name} | | | {peer.replace('|', '/').splitlines()[0]} |")
            if not isinstance(peer, Running):
                continue
            try:
                before = peer.memory_mib()
                connections = [self.waiting(name) for _ in range(self.given.idle)]
                grown = peer.memory_mib() - before
                for connection in connections:
                    connection.close()
            finally:
                peer.stop()
            print(f"| {name} | {before:.1f} | {grown * 1024 / self.given.idle:.1f} | |", flush=True)

    def waiting(self, name: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port(name), timeout=10)
        connection.request("GET", SCENARIOS["S1"].path)
        if connection.getresponse().read().decode() != WIDGET:
            raise RuntimeError(f"{name} gave another answer after all")
        return connection


def row(name: str, rounds: list[Round], yardstick: list[Round] | None, memory: float, note: str) -> str:
    def median(field: str) -> float:
        return statistics.median(getattr(one, field) for one in rounds)

    # The ratio is taken within a round: whatever else the machine did then, it did to both.
    ratio = statistics.median(one.cpu_us / raw.cpu_us for one, raw in zip(rounds, yardstick)) if yardstick else None
    quarters = statistics.quantiles([one.cpu_us for one in rounds], n=4) if len(rounds) > 1 else [0, 0, 0]
    spread = 50 * (quarters[2] - quarters[0]) / median("cpu_us")
    if failed := sum(one.failed for one in rounds):
        note = f"**{failed} requests failed** {note}"
    ratio_text = "" if ratio is None else f"{ratio:.2f}"
    return (
        f"| {name} | {median('cpu_us'):.1f} | {spread:.0f} | {ratio_text} | {median('rate'):,.0f} | {median('p50_ms'):.2f} "
        f"| {median('p99_ms'):.2f} | {memory:.0f} | {note} |"
    )


def main() -> None:
    given = arguments()
    for name in ("wrk", "openssl", "taskset"):
        if not shutil.which(name):
            sys.exit(f"{name} is not installed")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="headgate-load-"))
    # nginx' workers may be another user's.
    directory.chmod(0o755)
    try:
        work = Work(directory, given.ports, given.threads)
        origin = Running(peers.origin(work), given.load_cpus, directory / "origin.log")
        try:
            if not origin.wait_for(given.ports):
                sys.exit(f"the origin did not start: {origin.log.read_text()}")
            bench = Bench(given, work)
            results = {key: bench.scenario(key) for key in given.scenarios.split(",")}
            if given.idle:
                bench.idle()
        finally:
            origin.stop()
    except peers.Missing as reason:
        sys.exit(str(reason))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if given.json:
        every = {key: {name: [asdict(one) for one in rounds] for name, rounds in each.items()} for key, each in results.items()}
        given.json.write_text(json.dumps(every, indent=1))


if __name__ == "__main__":
    main()
