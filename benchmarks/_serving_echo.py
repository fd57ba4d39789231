"""What the lean transport costs when nothing is looked up: every call gets one file's bytes.

.venv/bin/python benchmarks/_serving_echo.py PORT REDIS_PORT REPLY
"""

import sys
from pathlib import Path

from headrace.benchmarks._serving_servers import ECHO
from headrace.contract.clock import Clock
from headrace.serving.reading import Reading
from headrace.serving.settings import Settings, StoreSettings
from headrace.serving.transports.lean import LeanServer


def main(port: str, redis_port: str, reply: str) -> None:
    """Serve until the process is killed."""
    body = Path(reply).read_bytes()

    def echo(_: bytes) -> Reading[bytes]:
        return body
        yield []

    settings = Settings(
        bind=f"127.0.0.1:{port}",
        store=StoreSettings(f"redis://127.0.0.1:{redis_port}"),
        namespace="default",
        clock=Clock,
    )
    server = LeanServer(settings)
    server._unary[ECHO.encode()] = ("Echo", echo)  # noqa: SLF001  # nobody else adds methods
    server.start()
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
