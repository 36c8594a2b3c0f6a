"""A user's own encoders, heads and corpora: modules that enter them into the tables.

Such a module is code. Only a person names it, on the command line or in the environment, where
worker processes find it too; a configuration, a run or a model that somebody sends never does.
"""

import ast
import hashlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeVar

#: Names of modules and files, with commas between them.
VARIABLE = "SERFUSION_PLUGINS"
Entry = TypeVar("Entry")
#: Whether a plugin is being imported, which may add to tables and change nothing in them.
_adding: ContextVar[bool] = ContextVar("adding", default=False)


class Table(dict[str, Entry]):
    """Things by name, to which a user's own are added; a plugin cannot replace what is there."""

    def __setitem__(self, name: str, entry: Entry) -> None:
        """Enter something.

        Raises:
            ValueError: a plugin gives it a name that another one has.
        """
        if _adding.get() and name in self:
            raise ValueError(f"{name!r} is there already: give yours another name")
        super().__setitem__(name, entry)


def load_plugins(named: Sequence[str] = ()) -> tuple[Path, ...]:
    """Import what the environment names and, from now on with it, what is named here: their files.

    A name that ends with ``.py`` is a file, any other a module that Python finds.

    Raises:
        ValueError: there is no such file or module, or another one has its name.
    """
    names = [name for name in (*os.environ.get(VARIABLE, "").split(","), *named) if name]
    files = tuple(_imported(name) for name in dict.fromkeys(names))
    if named:
        resolved = (str(Path(name).resolve()) if name.endswith(".py") else name for name in names)
        os.environ[VARIABLE] = ",".join(dict.fromkeys(resolved))
    return files


def files_of_plugins() -> tuple[Path, ...]:
    """Files of the plugins and of what was imported from beside them, which they may use."""
    folders = {path.parent for path in load_plugins()}
    files = {Path(str(getattr(module, "__file__", ""))) for module in tuple(sys.modules.values())}
    return tuple(sorted(path for path in files if path.suffix == ".py" and path.parent in folders))


def code_of(module: ModuleType) -> str:
    """Sha256 of a plugin's file and of those beside it that it imports, whenever it does.

    By what the files say, because it is a key: what has been imported so far changes as work goes
    on, and from process to process.
    """
    own = Path(str(module.__file__)).resolve()
    files, left = set[Path](), [own]
    while left:
        files.add(path := left.pop())
        beside = {own.with_name(f"{name}.py") for name in _imports(path)}
        left += [file for file in beside - files if file.is_file()]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.rpartition(".")[2] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module.rpartition(".")[2]


def _imported(name: str) -> Path:
    token = _adding.set(True)
    try:
        return _module_file(name)
    finally:
        _adding.reset(token)


def _module_file(name: str) -> Path:
    if not name.endswith(".py"):
        try:
            return Path(str(import_module(name).__file__))
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise ValueError(
                f"--plugin {name}: no such module; expected one that Python finds, or a file as in "
                "./mine.py"
            ) from error
    path = Path(name).resolve()
    if not path.is_file():
        raise ValueError(f"--plugin {name}: no such file")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        module = import_module(path.stem)
    # Whatever somebody's code raises: where it did, and what.
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{error.filename}:{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ValueError(
            f"--plugin {name}: {type(error).__name__}: {error} "
            f"({where or f'{last.filename}:{last.lineno}'})"
        ) from error
    if Path(str(module.__file__)).resolve() != path:
        raise ValueError(
            f"--plugin {name}: {module.__file__} is called {path.stem} too; rename your file"
        )
    return path
