"""Makes or completes the virtual environment that every make target runs in, from one lock file.

Run by the Makefile when a lock file or pyproject.toml has changed since it was last installed; uses the standard library only, because
nothing else is there yet. Packages come with the hashes of the lock file or not at all. towpath, Skyline and the shop's layers are
installed from the work tree, editable, with the locked build backend. It never deletes an environment that works, and never asks for root.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = (ROOT, ROOT / "reference" / "skyline", ROOT / "reference" / "shop" / "layers")


def main() -> None:
    """Install `--lock` and the projects into `--venv`, then write `--stamp`, which tells make that it is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--stamp", type=Path, required=True)
    parser.add_argument("--of-this-python", action="store_true", help="make an environment of another interpreter anew")
    arguments = parser.parse_args()
    directory: Path = arguments.venv.resolve()
    lock: Path = arguments.lock.resolve()
    stamp: Path = arguments.stamp

    python = directory / "bin" / "python"
    if not is_usable(directory, python, of_this_python=arguments.of_this_python):
        print(f"towpath: making {directory.name} with Python {sys.version.split()[0]}", flush=True)
        create(directory, python)
    print(f"towpath: installing what {lock.relative_to(ROOT)} locks", flush=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
    # The lock names everything, so pip has nothing to resolve. Left to it, an extra (`coverage[toml]`) finds the release after the locked
    # one as soon as there is one, and is refused for having no hash.
    run([*pip, "--no-deps", "--require-hashes", "--requirement", str(lock)])
    editable = [part for project in PROJECTS for part in ("--editable", str(project))]
    run([*pip, "--quiet", "--no-deps", "--no-build-isolation", *editable])

    for old in stamp.parent.glob(stamp.name.rpartition("-")[0] + "-*"):
        old.unlink()
    stamp.touch()


def is_usable(directory: Path, python: Path, *, of_this_python: bool) -> bool:
    """Whether `directory` holds an environment that was made here, is new enough, or of the Python that runs this, and has pip."""
    configuration = directory / "pyvenv.cfg"
    if not configuration.exists() or not python.exists():
        return False
    # Since Python 3.11 the file names the command that made it; the scripts of an environment that was moved point to nowhere.
    made_by = [line for line in configuration.read_text().splitlines() if line.startswith("command = ")]
    if made_by and not made_by[0].endswith(f" {directory}"):
        return False
    wanted = f"(sys.version, sys.base_prefix) == {(sys.version, sys.base_prefix)!r}" if of_this_python else "sys.version_info >= (3, 11)"
    probe = f"import sys, pip; sys.exit(not {wanted})"
    return subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode == 0


def create(directory: Path, python: Path) -> None:
    """Make the environment anew, with pip in it by the first way that this machine offers."""
    if importlib.util.find_spec("ensurepip") is not None:
        venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(directory)
        return
    # Debian keeps ensurepip in a package of its own. The environment itself can be made without it.
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=False).create(directory)
    if importlib.util.find_spec("pip") is not None:
        run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install", "pip"])
    elif wheel := shipped_pip(directory / "bootstrap"):
        run([str(python), f"{wheel}{os.sep}pip", "install", "--no-index", str(wheel)])
    elif uv := shutil.which("uv"):
        run([uv, "pip", "install", "--python", str(python), "pip"])
    elif virtualenv := shutil.which("virtualenv"):
        run([virtualenv, "--clear", "--python", sys.executable, str(directory)])
    else:
        shutil.rmtree(directory)
        fail(
            f"{sys.executable} can neither run pip nor install it into a virtual environment.\n"
            "       Debian and Ubuntu split both from python3: `apt-get install python3-venv` (or python3-pip) mends it; without root,\n"
            "       any Python 3.11 or newer that has them, uv or virtualenv on PATH does too."
        )


def shipped_pip(scratch: Path) -> Path | None:
    """The pip wheel that distributions put beside ensurepip, or that Debian's apt downloads without root; None if neither is there."""
    shipped = sorted(Path("/usr/share/python-wheels").glob("pip-*.whl"))
    if shipped:
        return shipped[-1]
    apt_get, dpkg_deb = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt_get is None or dpkg_deb is None:
        return None
    scratch.mkdir(parents=True, exist_ok=True)
    if subprocess.run([apt_get, "download", "python3-pip-whl"], cwd=scratch, check=False).returncode != 0:
        return None
    for package in scratch.glob("*.deb"):
        run([dpkg_deb, "--extract", str(package), str(scratch)])
    return next(iter(sorted(scratch.rglob("pip-*.whl"))), None)


def run(command: list[str]) -> None:
    """Run `command` with its output shown; end with its status if it fails."""
    completed = subprocess.run(command, check=False)
    if completed.returncode != 0:
        fail(f"this failed with status {completed.returncode}: {' '.join(command)}")


def fail(message: str) -> NoReturn:
    """End with `message` and status 2."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
