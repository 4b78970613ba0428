"""Other people's token-less plugins, in the form of tokenless/tokenless.c."""

from pathlib import Path

from .proc import run

_SOURCE = Path(__file__).resolve().parents[1] / "tokenless" / "tokenless.c"


def plugin_dir(folder):
    """A new folder that holds that plugin alone."""
    path = folder / "tokenless"
    path.mkdir()
    path.chmod(0o755)
    run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type",  # callbacks come so from Cyrus
         "-fPIC", "-shared", "-o", path / "libtokenless.so", _SOURCE])
    return path
