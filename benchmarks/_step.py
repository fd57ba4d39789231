"""Runs one step of a benchmark in a process of its own: what it costs is nobody else's.

    .venv/bin/python benchmarks/_step.py MODULE FUNCTION JSON-ARGUMENTS

The last line printed is what the function returned, as JSON.
"""

import importlib
import json
import sys


def main() -> None:
    """Call the function that the command line names."""
    module, name, arguments = sys.argv[1:]
    step = getattr(importlib.import_module(module), name)
    print(json.dumps(step(**json.loads(arguments))))


if __name__ == "__main__":
    main()
