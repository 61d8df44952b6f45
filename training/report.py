"""One HTML page on a finished run: it needs no other file and shows no face."""

from __future__ import annotations

import csv
import html
from collections.abc import Mapping
from pathlib import Path

from mien.contract.atomic import write_whole
from mien.contract.errors import SourceError
from model.weights_file import WeightsInfo, read_info
from training.calibration import UNSEEN
from training.charts import confusion, curves, missing_library, reliability_diagram, risk_coverage
from training.config import Recipe
from training.fer2013 import load_split
from training.figures import Figures, figures
from training.metrics import Counts, Float64s, confusion_matrix, percent
from training.reliability import reliability, softmax
from training.risk_coverage import risk_curve
from training.run_output import METRICS_FILE
from training.scoring import ScoringOptions, ask

REPORT_FILE = "report.html"
"""Name of the report in a run's folder."""

_COUNTS = ("rows_given", "rows_held_out", "rows_black", "rows_merged")

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;"
    "color:#222}table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;"
    "vertical-align:top}td.n,th.n{text-align:right}svg{max-width:100%;height:auto}"
    "code{overflow-wrap:anywhere;font-size:.85em}h2{margin-top:2.2rem}"
)


def write_report(weights: Path, recipe: Recipe, data: Path, device: str = "cpu") -> str:
    """Looks once at PublicTest with the weights and writes the page beside them.

    Gives the line that says where it is, or that matplotlib is missing, without which a run is
    whole but has no page.

    Raises:
        SourceError: the data or the run's metrics.csv are missing.
        WeightsError: the weights are missing or damaged.
        OutputError: the page cannot be written.
    """
    reason = missing_library()
    if reason is not None:
        return reason
    info = read_info(weights)
    public = load_split(data, "PublicTest", official=recipe.official_counts)
    found = ask(weights, public.images, ScoringOptions(device=device))
    page = _report_page(
        info, recipe, _epochs(weights.parent), found.logits, public.labels, found.temperature
    )
    path = weights.parent / REPORT_FILE
    write_whole(path, page, overwrite=True)
    return f"report: {path}"


def _report_page(
    info: WeightsInfo,
    recipe: Recipe,
    epochs: list[dict[str, str]],
    logits: Float64s,
    labels: Counts,
    temperature: float,
) -> str:
    """The page for logits (n, 7) of PublicTest's single views against labels (n,)."""
    before, after = softmax(logits), softmax(logits, temperature)
    whole = figures(labels, after, before)
    unseen = figures(labels[UNSEEN], after[UNSEEN], before[UNSEEN])
    judged = [reliability(said[UNSEEN], labels[UNSEEN]) for said in (before, after)]
    parts = [
        f"<h1>{_text(info.recipe)}</h1>",
        f"<p>{_text(_summary(info, whole))}</p>",
        _table(_facts(whole, unseen, temperature)),
        *_cleaning(info),
        "<h2>Epochs</h2>",
        curves(epochs),
        "<h2>Which expression for which</h2>",
        confusion(confusion_matrix(labels, after.argmax(1))),
        _classes(whole),
        "<h2>What probabilities mean</h2>",
        "<p>On the half of PublicTest that the temperature has not seen.</p>",
        reliability_diagram(*judged),
        "<h2>Mistakes when doubtful faces are passed over</h2>",
        risk_coverage(risk_curve(after, labels)),
        "<h2>What decided this</h2>",
        *_changed_recipe(info),
        _table(_provenance(info, recipe)),
        f"<details><summary>The whole recipe</summary><code>{_text(recipe.canonical())}</code>"
        "</details>",
        _epoch_table(epochs),
    ]
    head = f"<meta charset='utf-8'><title>{_text(info.recipe)}</title><style>{_STYLE}</style>"
    body = "\n".join(parts)
    return f"<!doctype html>\n<html lang='en'><head>{head}</head><body>\n{body}\n</body></html>\n"


def _epochs(folder: Path) -> list[dict[str, str]]:
    path = folder / METRICS_FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def _summary(info: WeightsInfo, whole: Figures) -> str:
    low, high = whole.accuracy_interval
    return (
        f"{info.architecture} at {info.input_size_px} px: {percent(whole.accuracy)} of "
        f"{whole.count} PublicTest faces told right with a single view (95 % interval "
        f"{100 * low:.2f} to {100 * high:.2f}). The epoch was chosen on the same faces."
    )


def _facts(whole: Figures, unseen: Figures, temperature: float) -> dict[str, str]:
    return {
        "macro recall": percent(whole.macro_recall),
        "macro F1": percent(whole.macro_f1),
        "temperature": f"{temperature:.4f}",
        "ECE, unseen half": f"{unseen.ece:.4f} ({unseen.ece_uncalibrated:.4f} at temperature 1)",
        "NLL, unseen half": f"{unseen.nll:.4f} ({unseen.nll_uncalibrated:.4f})",
        "Brier, unseen half": f"{unseen.brier:.4f} ({unseen.brier_uncalibrated:.4f})",
        "area under risk and coverage": f"{whole.aurc:.4f}",
    }


def _cleaning(info: WeightsInfo) -> list[str]:
    """What became of the data; nothing for weights that do not tell."""
    found = info.metrics
    if "rows_given" not in found:
        return []
    rows = {
        "Training rows": found["rows_given"],
        "held out": found["rows_held_out"],
        "black ones left out": found["rows_black"],
        "exact copies merged": found["rows_merged"],
        "rows to learn from": found["rows"],
        "PublicTest rows with an exact copy in Training": found["public_exact_copies"],
    }
    return ["<h2>Data</h2>", _table({name: str(count) for name, count in rows.items()})]


def _changed_recipe(info: WeightsInfo) -> list[str]:
    if "recipe_history" not in info.metrics:
        return []
    return [
        "<p>The recipe was changed while the run went on, so that no recipe alone leads to these "
        "weights: each was followed from the step that stands before its sha256.</p>"
    ]


def _provenance(info: WeightsInfo, recipe: Recipe) -> dict[str, str]:
    skipped = ("public_", "ece_", "nll_", "recipe_json", *_COUNTS)
    own = {key: str(value) for key, value in info.metrics.items() if not key.startswith(skipped)}
    return {
        "recipe's sha256": recipe.sha256(),
        "tensors' sha256": info.tensor_sha256,
        "commit": info.commit,
        **{key.replace("_", " "): value for key, value in own.items()},
    }


def _classes(whole: Figures) -> str:
    head = "".join(f"<th class=n>{name}</th>" for name in ("rows", "recall", "precision", "F1"))
    lines = [
        f"<tr><td>{name}</td><td class=n>{one.count}</td><td class=n>{percent(one.recall)}</td>"
        f"<td class=n>{percent(one.precision)}</td><td class=n>{percent(one.f1)}</td></tr>"
        for name, one in whole.per_class.items()
    ]
    return f"<table><tr><th>expression</th>{head}</tr>{''.join(lines)}</table>"


def _epoch_table(epochs: list[dict[str, str]]) -> str:
    head = "".join(f"<th class=n>{_text(key.replace('_', ' '))}</th>" for key in epochs[0])
    lines = [
        "<tr>" + "".join(f"<td class=n>{_text(value)}</td>" for value in row.values()) + "</tr>"
        for row in epochs
    ]
    return (
        "<details><summary>All epochs</summary>"
        f"<table><tr>{head}</tr>{''.join(lines)}</table></details>"
    )


def _table(rows: Mapping[str, str]) -> str:
    lines = [
        f"<tr><th>{_text(k)}</th><td><code>{_text(v)}</code></td></tr>" for k, v in rows.items()
    ]
    return f"<table>{''.join(lines)}</table>"


def _text(value: str) -> str:
    # a recipe is called as its file is, whose name may be no proper text
    return html.escape(value).encode("utf-8", "backslashreplace").decode()
