"""Other people's token-less plugins, in the form of tokenless/tokenless.c."""

from pathlib import Path

from .proc import run

_SOURCE = Path(__file__).resolve().parents[1] / "tokenless" / "tokenless.c"


def build(path, *options):
    run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type",  # callbacks come so from Cyrus
         "-fPIC", "-shared", *options, "-o", path, _SOURCE])


def plugin_dir(folder):
    """A new folder that holds that plugin alone."""
    path = folder / "tokenless"
    path.mkdir()
    path.chmod(0o755)
    build(path / "libtokenless.so")
    return path
