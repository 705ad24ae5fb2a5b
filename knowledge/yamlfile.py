"""YAML files that staff edit, read so that every mistake is reported with its file and line."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from knowledge.errors import DataError

M = TypeVar("M", bound=BaseModel)


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C where PyYAML has it: ten times as quick."""


class _Loader(_Base):  # type: ignore[misc]
    """SafeLoader that refuses a key given twice (plain YAML silently keeps the last)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem="a key of several parts", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def _scalar(kind: str) -> Callable[[Any, yaml.ScalarNode], Any]:
    """PyYAML's constructor for a kind of scalar; what it cannot make (2026-02-30) is told with its line."""
    construct = getattr(_Base, f"construct_yaml_{kind}")
    what = "a date that does not exist" if kind == "timestamp" else f"no {kind}"

    def checked(loader: Any, node: yaml.ScalarNode) -> Any:
        try:
            return construct(loader, node)
        except (ValueError, AttributeError) as error:
            raise yaml.MarkedYAMLError(problem=f"{what}: {node.value!r}", problem_mark=node.start_mark) from error

    return checked


for _kind in ("timestamp", "int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _scalar(_kind))


def load_yaml(path: Path) -> Any:
    """The file's content as plain Python. Raises DataError with file and line for a file that is not YAML."""
    try:
        with path.open(encoding="utf-8") as stream:
            return yaml.load(stream, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise DataError(error.problem or "not valid YAML", path, line) from error
    except yaml.YAMLError as error:
        raise DataError(f"not valid YAML: {' '.join(str(error).split())}", path) from error
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text (byte {error.start})", path) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path) from error


def locate(path: Path, loc: tuple[int | str, ...]) -> int | None:
    """Line (from 1) of the node that a pydantic error location points at, or of its nearest parent."""
    with path.open(encoding="utf-8") as stream:
        node = yaml.compose(stream, _Base)
    if node is None:
        return None
    for part in loc:
        child = None
        if isinstance(node, yaml.MappingNode):
            child = next((v for k, v in node.value if k.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
        if child is None:
            break
        node = child
    return int(node.start_mark.line) + 1


def parse(path: Path, model: type[M], data: Any, at: tuple[int | str, ...] = ()) -> M:
    """``data`` (found in ``path`` at location ``at``) as a ``model``; DataError names file, line, field and reason."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        loc = at + tuple(first["loc"])
        field = ".".join(str(x) for x in first["loc"]) or model.__name__
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise DataError(f"{field}: {first['msg']}{more}", path, locate(path, loc)) from error


def load_list(path: Path, model: type[M]) -> tuple[M, ...]:
    r"""A file that lists ``model``\ s, each with an ``id`` of its own. Raises DataError with file and line."""
    data = load_yaml(path)
    if not isinstance(data, list):
        raise DataError("a list is expected", path, 1)
    found: dict[str, M] = {}
    for i, item in enumerate(data):
        made: Any = parse(path, model, item, at=(i,))
        if made.id in found:
            raise DataError(f"{made.id!r} is given twice", path, locate(path, (i, "id")))
        found[made.id] = made
    return tuple(found.values())
