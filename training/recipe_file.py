"""Reads recipes from TOML, and changes single keys of them."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mien.contract.errors import UsageError
from training.config import Augmentation, Recipe, SoftLabels, Stage
from training.recipe_rules import check_recipe

RECIPES_FOLDER = Path(__file__).parent / "recipes"
"""Where recipes are looked for by name."""

_TABLES: dict[str, type[Any]] = {"augmentation": Augmentation, "soft_labels": SoftLabels}


def load_recipe(name_or_path: str | Path, changes: Iterable[str] = ()) -> Recipe:
    """Reads a recipe file, or one of `training/recipes` by its name.

    `changes` are lines such as `lr=0.02` or `augmentation.erasing=0`, which come on top. A file of
    soft labels is looked for beside the recipe that names it, but one in `changes` as any path is.

    Raises:
        UsageError: no such recipe, no TOML, an unknown key or a value out of its range.
    """
    path = Path(name_or_path)
    try:
        # a name may be longer than the file system bears
        named = RECIPES_FOLDER / f"{name_or_path}.toml"
        path = named if named.is_file() else path
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe {name_or_path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"the recipe {path} is not TOML: {error}") from error
    _place_soft_labels(table, path.parent)
    for change in changes:
        _merge(table, _parse_change(change))
    return parse_recipe({"name": path.stem, **table})


def _place_soft_labels(table: dict[str, Any], folder: Path) -> None:
    soft = table.get("soft_labels")
    file = soft.get("file") if isinstance(soft, dict) else None
    if isinstance(soft, dict) and isinstance(file, str) and file:
        # an absolute path stays as it is
        soft["file"] = str(folder / file)


def parse_recipe(table: dict[str, Any]) -> Recipe:
    """Builds a checked recipe from TOML's tables.

    Raises:
        UsageError: an unknown key, a wrong type or a value out of its range.
    """
    values = dict(table)
    stages = values.pop("stages", None)
    if not isinstance(stages, list) or not stages:
        raise UsageError("a recipe needs at least one [[stages]] table")
    values["stages"] = tuple(_build(Stage, stage, "[[stages]]") for stage in stages)
    for key, kind in _TABLES.items():
        values[key] = _build(kind, values.pop(key, {}), f"[{key}]")
    recipe: Recipe = _build(Recipe, values, "the recipe")
    check_recipe(recipe)
    return recipe


def _parse_change(change: str) -> dict[str, Any]:
    """TOML, where a bare word counts as a string, and fractions need no digit beside the point."""
    key, sign, value = change.partition("=")
    if not sign:
        raise UsageError(f"a change of the recipe is written KEY=VALUE, not {change}")
    value = value.strip()
    for text in (value, *_fraction(value), f'"{value}"'):
        try:
            return tomllib.loads(f"{key} = {text}")
        except ValueError:
            continue
    raise UsageError(f"{change} is no key and value of a recipe")


def _fraction(value: str) -> list[str]:
    """TOML's writing of .02 and 5., none for what is no such number."""
    try:
        return [repr(float(value))] if "." in value else []
    except ValueError:
        return []


def _merge(table: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        inner = table.get(key)
        if isinstance(value, dict) and isinstance(inner, dict):
            _merge(inner, value)
        else:
            table[key] = value


def _build(kind: type[Any], table: Any, where: str) -> Any:
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table")
    wanted = {item.name: item.type for item in dataclasses.fields(kind)}
    values = {}
    for key, value in table.items():
        if key not in wanted:
            raise UsageError(f"{where} has an unknown key '{key}'")
        values[key] = _typed(value, wanted[key], key, where)
    try:
        return kind(**values)
    except TypeError as error:
        raise UsageError(f"{where} lacks a key: {error}") from error


def _typed(value: Any, wanted: Any, key: str, where: str) -> Any:
    if wanted is float and type(value) is int:
        return float(value)
    if wanted == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"'{key}' in {where} is not a list of strings")
        return tuple(value)
    if wanted in (int, float, str, bool) and type(value) is not wanted:
        raise UsageError(f"'{key}' in {where} is not of type {wanted.__name__}")
    return value
