"""What `serving.py` measures beside its contenders: echoes, TLS and metrics, against a twin."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import trustme

from headrace.benchmarks._serving_load import Target, built, load, saturation
from headrace.benchmarks._serving_servers import Servers
from headrace.benchmarks._serving_values import CASES
from headrace.cli.addresses import free_port

LEAN_ECHO, CC_ECHO = "lean echo", "C++ echo"
_TURNS = 3


def measured(servers: Servers, ours: Target, rounds: int, seconds: float) -> dict[str, Any]:
    """Every pair in turns, more often than contenders: these are small differences."""
    turns = _TURNS * rounds
    found = {"echo": _echoes(servers, ours, turns, seconds)}
    pairs = {"TLS": _tls_options(ours.requests), "metrics": _metrics_options(servers)}
    transport = ["--transport", ours.name.split()[0]] if servers.has("--transport") else []
    for name, options in pairs.items():
        if options and servers.has(options[0]):
            roots = ours.requests / "roots.pem" if name == "TLS" else None
            other = servers.ours(f"{ours.name} with {name}", *transport, *options, roots=roots)
            found[name] = _compared(servers, (ours, other), turns, seconds)
    return found


def _echoes(servers: Servers, ours: Target, turns: int, seconds: float) -> dict[str, Any]:
    """Echoes, and a lookup between them: the same answer, by the same client."""
    reply = ours.requests / "0.reply"
    targets = [ours]
    if importlib.util.find_spec("headrace.serving.transports.lean") is not None:
        port = free_port()
        script = str(Path(__file__).with_name("_serving_echo.py"))
        command = [sys.executable, script, str(port), str(servers.port), str(reply)]
        targets.append(servers.echo(LEAN_ECHO, command, port=port, like=ours))
    program = built("_serving_echo")
    if program is not None:
        port = free_port()
        command = [str(program), str(port), str(reply)]
        targets.append(servers.echo(CC_ECHO, command, port=port, like=ours))
    found: dict[str, Any] = {}
    for _ in range(turns):
        for target in targets:
            cost = saturation(target, 0, seconds, store=servers.store)
            found.setdefault(target.name, []).append(cost)
    for target in targets:  # h2load counts; this one looks at every byte
        load(target, 0, seconds / 2)
    return found


def _compared(
    servers: Servers, pair: tuple[Target, Target], turns: int, seconds: float
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, case in enumerate(CASES[:2]):
        costs: dict[str, Any] = found.setdefault(case.name, {})
        for _ in range(turns):
            for target in pair:
                cost = saturation(target, number, seconds, store=servers.store)
                costs.setdefault(target.name, []).append(cost)
    return found


def _tls_options(folder: Path) -> list[str]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "roots.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    files = {"--tls-cert": folder / "certificate.pem", "--tls-key": folder / "key.pem"}
    certificate.cert_chain_pems[0].write_to_path(str(files["--tls-cert"]))
    certificate.private_key_pem.write_to_path(str(files["--tls-key"]))
    return [word for option, path in files.items() for word in (option, str(path))]


def _metrics_options(servers: Servers) -> list[str]:
    for option in ("--metrics", "--rest"):
        if servers.has(option):
            return [option, f"127.0.0.1:{free_port()}"]
    return []
