"""Builds the sdist and the wheels of towpath into dist/: a wheel with the JSON writer in C, for this Python and system, and one without it.

Run by `make dist`. The build happens in a copy of the files that git tracks, so that it neither sees nor leaves anything else. It calls
setuptools itself, in the environment of the repository, and needs no network. Without a C compiler there is no wheel with the writer, and a
line says so.
"""

import argparse
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
EXTENSION = re.compile(r"\[\[tool\.setuptools\.ext-modules\]\]\n(?:.+\n)+")
INPUTS = ("src", "LICENSE", "README.md", "pyproject.toml")


def main() -> None:
    """Build into `--out`, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    out: Path = parser.parse_args().out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="towpath-dist-") as directory:
        native, pure = Path(directory, "native"), Path(directory, "pure")
        copy_sources(native)
        copy_sources(pure)
        without_extension(pure / "pyproject.toml")
        built = [build(native, "sdist", Path(directory)), build(pure, "wheel", Path(directory))]
        wheel = build(native, "wheel", Path(directory))
        if any(name.endswith((".so", ".pyd")) for name in zipfile.ZipFile(wheel).namelist()):
            built.append(wheel)
        else:
            print("no C compiler or no headers of Python: there is only the wheel without the JSON writer in C", file=sys.stderr)
        for file in built:
            place = out / file.name
            shutil.copyfile(file, place)
            print(f"{place}  {place.stat().st_size:,} bytes")


def copy_sources(folder: Path) -> None:
    """Copy what a build needs: the files that git tracks or would track, or all of them where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *INPUTS]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False) if shutil.which("git") else None
    if listed is not None and listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        files = [path for name in INPUTS for path in ((ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name])]
    for path in files:
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path) and path.suffix not in {".so", ".pyd"}:
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def without_extension(pyproject: Path) -> None:
    """Take the module in C out of `pyproject`."""
    text, count = EXTENSION.subn("", pyproject.read_text())
    if count != 1:
        raise SystemExit("error: pyproject.toml has no table [[tool.setuptools.ext-modules]], or several; mend tools/dist.py")
    pyproject.write_text(text)


def build(project: Path, kind: str, out: Path) -> Path:
    """Build `kind` of `project` into `out` by the hook of PEP 517, and return the file. Ends the process if it fails."""
    script = f"import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"
    ran = subprocess.run([sys.executable, "-c", script, str(out)], cwd=project, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise SystemExit(f"error: the {kind} was not built:\n{ran.stderr}")
    return out / ran.stdout.splitlines()[-1]


if __name__ == "__main__":
    main()
