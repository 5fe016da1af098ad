"""docs/architectures.md: the rows of the census as a page, and back."""

from collections import Counter
from pathlib import Path

import transformers
from census import COLUMNS

PAGE = Path(__file__).parents[1] / "docs/architectures.md"
NOT_MEASURED = ("type", "class", "sees later tokens", "verdict")
TITLE = f"with transformers {transformers.__version__}: "
HEAD = """\
What the columns say:

- **verdict**: `measured` as a causal model, or as `encoder` where column `kind` of the models
  table says so: then there are no likelihoods.
- **sees later tokens**: predictions of transformers' own model move with a token after them.
- **blocks**, **norm**: the modules whose outputs are the states `1` … `L`, and `final`.
- **output_hidden_states**: which of our layers the entries of transformers' tuple are. `L` is the
  state after the last block, `final` what the output head reads.
- **attention**: whether there are rows of attention weights, equal to transformers' own.
- **some tokens alone**: whether a run on some tokens of a text at their positions equals a full run
  that hides the others; token ablation needs it.
- **batch**: states of three texts of 40, 23 and 9 tokens in a padded batch, beside each alone.
- **nll**: our mean negative log-likelihood, beside the loss of transformers' own model.
- **card**: whether model.json has the parameters, layers and widths of the model that is loaded.
- **bfloat16**: whether states are finite in it, and nll is transformers' own.
- **twin**: whether an untrained twin's tensors have the dtypes of the loaded model's."""


def page(rows: list[dict]) -> str:
    """The page of all rows."""
    kinds = Counter(row["verdict"].partition(":")[0] for row in rows).most_common()
    measured, rest = [], []
    for row in rows:
        (measured if row["verdict"].startswith("measured") else rest).append(row)
    parts = [
        "# Architectures",
        "> **What**: which types of models are measured, and why the others are refused.\n"
        "> **Read it** before you add a model of a type that you have not measured yet.\n"
        "> **Result**: each type of causal model in transformers was run tiny; what is refused has "
        "its reason beside it.",
        f"Made by `tests/bench/architectures.py` {TITLE}every type of its causal mapping, "
        "and some variants. Each is a tiny model with random weights and every kind of layer that "
        "the type has. "
        f"{', '.join(f'{count} {kind}' for kind, count in kinds)}.",
        HEAD,
        "## Measured",
        _table(COLUMNS, measured),
        "## Not measured",
        _table(NOT_MEASURED, rest),
    ]
    return "\n\n".join(parts) + "\n"


def _table(columns, rows) -> str:
    lines = [columns, ["---"] * len(columns)]
    lines += [[row[name].replace("|", "\\|") for name in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def read_page() -> list[dict]:
    """The rows of the page; none where it is of another transformers."""
    text = PAGE.read_text() if PAGE.exists() else ""
    rows, columns = [], []
    for line in text.splitlines() if TITLE in text else []:
        cells = [cell.replace("\\|", "|") for cell in line[2:-2].split(" | ")]
        if line.startswith("| type"):
            columns = cells
        elif line.startswith("| ") and cells[0] != "---":
            row = dict(zip(columns, cells, strict=True))
            rows.append(dict.fromkeys(COLUMNS, "") | row)
    return rows
