"""The peers that run on Node: installed where npm reaches them, left out elsewhere."""

import json
import os
import shutil
import subprocess

from tests.benchmarks.measuring import ROOT

PEERS = ROOT / "tests" / "benchmarks" / "peers"
INSTALLED = PEERS / "node_modules" / ".package-lock.json"


def node_is_ready() -> bool:
    """Whether Node and the peers' packages are there; they are installed if they can be."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        return False
    if not _is_installed():
        print("Installing the peers that run on Node …", flush=True)
        done = subprocess.run([npm, "ci", "--silent"], cwd=PEERS, timeout=900, check=False, env={**os.environ})
        return done.returncode == 0
    return True


def node_versions() -> dict[str, str]:
    """The versions of what was measured on Node."""
    if not node_is_ready():
        return {}
    wanted = json.loads((PEERS / "package.json").read_text())
    runs = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"node": runs.lstrip("v"), **wanted["dependencies"], **wanted["optionalDependencies"]}


def _is_installed() -> bool:
    """Whether everything that is asked for now is there; an earlier installation may lack what was added since."""
    if not INSTALLED.exists():
        return False
    there = json.loads(INSTALLED.read_text())["packages"]
    wanted = json.loads((PEERS / "package.json").read_text())["dependencies"]
    return all(there.get(f"node_modules/{name}", {}).get("version") == number for name, number in wanted.items())
