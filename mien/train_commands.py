"""`mien train` and the steps of distillation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mien.options import DATA, DEVICE
