r"""Environments of what we measure ourselves against: their own, so that no pin of ours binds them.

Their lock is made again by

    echo 'feast[redis,duckdb,grpcio]==0.67.*' | .venv/bin/uv pip compile - --quiet \
        --generate-hashes --no-header --universal --python-version 3.11 \
        --output-file benchmarks/feast.lock
"""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_LOCK = Path(__file__).with_name("feast.lock")
_FEAST = _ROOT / ".venv-feast"


def feast_python() -> Path:
    """The interpreter of Feast's environment, which the first call installs from its lock.

    Every file is checked against its hash. A changed lock installs again; else nothing is done.

    Raises:
        CalledProcessError: Something cannot be installed; uv has said what.
    """
    python, installed = _FEAST / "bin" / "python", _FEAST / "installed.lock"
    if not installed.is_file() or installed.read_bytes() != _LOCK.read_bytes():
        uv = str(Path(sys.executable).with_name("uv"))
        create = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_FEAST)]
        subprocess.run(create, check=True)
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
        subprocess.run([*install, "--require-hashes", "--requirements", str(_LOCK)], check=True)
        installed.write_bytes(_LOCK.read_bytes())
    return python
