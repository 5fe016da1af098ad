"""Text view: one HTML page on which tokens carry their lasso, attention and ridge weights.

The page is a single file: no network, no library, data as JSON inside it. Colour says sign and
magnitude, and so do underline (solid or dashed, thicker) and weight of the letters; every value
is in a table below and under the pointer.
"""

from itertools import islice

from infogeo.figures.page import check_source, fill_page
from infogeo.files import tables
from infogeo.files.errors import InfogeoError

NO_TEXT = "⟨no text⟩"  # a special token, or a prefix such as ▁ before the first word
NEEDED = [
    "doc_id", "position", "token_start_byte", "token_end_byte",
    "attention_mean", "attention_rollout", "ridge",
]  # fmt: skip

# White space and control characters, which a page would not show.
VISIBLE = {code: 0x2400 + code for code in range(32)} | {
    ord(" "): "␣", ord("\t"): "⇥", ord("\n"): "↵", ord("\r"): "␍", 0x7F: "␡", 0xA0: "⍽",
}  # fmt: skip


def visible(data: bytes) -> str:
    """A token's bytes for readers: white space as signs, parts of a character as U+FFFD.

    Parameters
    ----------
    data : bytes
        UTF-8, perhaps cut inside a character; empty for a token that covers none.

    Returns
    -------
    str
    """
    return data.decode("utf-8", "replace").translate(VISIBLE) if data else NO_TEXT


def write(path, models, texts: dict, *, corpus: str, k, most: int) -> None:
    """Write the page of `page`, with its parameters, to a file: whole or not at all."""
    tables.write_text(page(models, texts, corpus=corpus, k=k, most=most), path)


def page(models, texts: dict, *, corpus: str, k, most: int) -> str:
    """The HTML page of some models and texts.

    Parameters
    ----------
    models : iterable of (str, pandas.DataFrame)
        Name and table {model}.selection_tokens.parquet: one row per token, in any order. Walked
        through twice; one table is in memory at a time.
    texts : dict
        doc_id → text of the corpus.
    corpus : str
    k : list of int
        Numbers of chosen tokens to choose from; the column lasso_{k} may be absent.
    most : int
        Texts shown per model: those that most models have, else in the order of the tables.

    Returns
    -------
    str
        The same for the same input.

    Raises
    ------
    InfogeoError
        Where a table lacks a column, or names a text or bytes that the corpus does not have.
    """
    counts = {}
    for name, frame in models:
        place = f"text view, model {name}: selection_tokens"
        check_source(frame, NEEDED, texts, place, "token_selection")
        for doc_id in frame["doc_id"].unique():
            counts[doc_id] = counts.get(doc_id, 0) + 1
    ranked = sorted(counts, key=counts.get, reverse=True)  # stable: ties as they came
    data = {
        "k": sorted(int(value) for value in k),
        "models": [
            {
                "name": name,
                "texts": [
                    _text(name, doc_id, frame[frame["doc_id"] == doc_id], texts[doc_id], k)
                    for doc_id in _first(ranked, set(frame["doc_id"]), most)
                ],
            }
            for name, frame in models
        ],
    }
    return fill_page(PAGE, data, corpus)


def _first(ranked: list[str], own: set[str], most: int) -> list[str]:
    """The first `most` of the ranked texts that a model has."""
    return list(islice((doc_id for doc_id in ranked if doc_id in own), most))


def _text(model: str, doc_id: str, rows, text: str, k) -> dict:
    """What the page needs of one text: tokens and their weights, in the order of positions."""
    rows, data = rows.sort_values("position"), text.encode()
    starts, ends = rows["token_start_byte"].tolist(), rows["token_end_byte"].tolist()
    if max(ends) > len(data):
        raise InfogeoError(
            f"text view, model {model}, doc_id {doc_id!r}: a token ends at byte {max(ends)}, the "
            f"text at {len(data)}. The table was made from another text. Make it anew: "
            "snakemake -R token_selection"
        )
    return {
        "name": doc_id,
        "positions": [int(position) for position in rows["position"]],
        "tokens": [visible(data[a:b]) for a, b in zip(starts, ends, strict=True)],
        "attention": _numbers(rows["attention_mean"]),
        "rollout": _numbers(rows["attention_rollout"]),
        "ridge": _numbers(rows["ridge"]),
        "lasso": {
            str(value): _numbers(rows[f"lasso_{value}"])
            for value in k
            if f"lasso_{value}" in rows and rows[f"lasso_{value}"].notna().any()
        },
    }


def _numbers(column) -> list[float | None]:
    """Four significant digits, None where not finite: JSON has no NaN."""
    values = (float(value) for value in column)
    return [float(f"{v:.4g}") if abs(v) < float("inf") else None for v in values]


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Text view: lasso, attention and ridge weights, corpus $corpus</title>
<style>
:root { color-scheme: light; --up: 0, 114, 178; --down: 213, 94, 0; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 90rem; padding: 1rem; background: #fff; color: #222;
  font: 0.95rem/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.25rem; margin: 0 0 0.5rem; }
h2 { font-size: 1rem; margin: 0 0 0.25rem; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; margin: 0.75rem 0; }
label { font-weight: 600; max-width: 100%; }
select { font: inherit; max-width: min(100%, 28rem); }
.panels { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); }
.panel { border: 1px solid #bbb; border-radius: 4px; padding: 0.75rem; min-width: 0; }
.text { line-height: 2.1; overflow-wrap: anywhere; }
.note { color: #555; margin: 0 0 0.5rem; font-size: 0.85rem; }
.t { unicode-bidi: isolate; border-bottom: 0 solid transparent; padding: 0.05em 0; }
.t i { font-style: normal; color: #767676; font-weight: 400; font-size: 0.75em; }
.up { background: rgba(var(--up), var(--a)); border-bottom-color: rgb(var(--up)); }
.down { background: rgba(var(--down), var(--a)); border-bottom: 0 dashed rgb(var(--down)); }
.m1 { --a: 0.06; border-bottom-width: 1px; }
.m2 { --a: 0.16; border-bottom-width: 2px; }
.m3 { --a: 0.30; border-bottom-width: 3px; font-weight: 700; }
.m4 { --a: 0.45; border-bottom-width: 5px; font-weight: 700; }
.chosen { outline: 1px solid #222; outline-offset: 1px; }
.target { outline: 2px dotted #222; outline-offset: 2px; }
.here { box-shadow: 0 0 0 3px #f0e442; }
.scroll { overflow-x: auto; margin-top: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; }
th, td { padding: 0.1rem 0.75rem; text-align: right; border-bottom: 1px solid #ddd; }
th { border-bottom-color: #222; }
th:nth-child(2), td:nth-child(2) { text-align: left; }
td:nth-child(2) { font-family: "DejaVu Sans Mono", monospace; white-space: nowrap; }
td.chosen { outline: 0; font-weight: 700; text-decoration: underline; }
</style>
</head>
<body>
<h1>Which tokens make the last one? Corpus $corpus</h1>
<p class="note">Weights of the regression of the last token’s final state (dotted frame) on the
states of the earlier tokens: lasso with k tokens, and ridge with all of them; beside them the
attention that the last token pays in the last layer, mean of the heads.
<span class="t up m3">Blue, solid line: positive.</span>
<span class="t down m3">Orange, dashed line: negative.</span>
Stronger colour, thicker line, bold: larger, relative to the largest of its panel
(<span class="t up m1">up to 10 %</span>, <span class="t up m2">30 %</span>,
<span class="t up m3">60 %</span>, <span class="t up m4">100 %</span>). The first token does not
count for that largest: it draws attention whatever it is.
<span class="t chosen">Framed: one of the k largest.</span>
␣ is a space, ↵ a line break, ⇥ a tab, � a part of a character. ⟨no text⟩ is a token that covers no
byte of the text: a special one, or a prefix. Point at a token to see its values; the table has
them all.</p>
<noscript><p>The controls need JavaScript. The same values are in the tables
results/context/*/*.selection_tokens.parquet.</p></noscript>
<form>
<label>Model <select id="model"></select></label>
<label>Text <select id="text"></select></label>
<label>k <select id="k"></select></label>
</form>
<p id="summary" role="status"></p>
<main>
<div class="panels">
<section class="panel" aria-labelledby="h-lasso">
<h2 id="h-lasso">Lasso weight</h2><div class="text" id="lasso"></div></section>
<section class="panel" aria-labelledby="h-attention">
<h2 id="h-attention">Attention, mean of heads</h2><div class="text" id="attention"></div></section>
<section class="panel" aria-labelledby="h-ridge">
<h2 id="h-ridge">Ridge weight</h2><div class="text" id="ridge"></div></section>
</div>
<div class="scroll" tabindex="0" role="region" aria-label="Values of all tokens">
<table><caption>Values of all tokens; bold and underlined: one of the k largest</caption>
<thead><tr><th scope="col">Position</th><th scope="col">Token</th><th scope="col">Lasso</th>
<th scope="col">Attention</th><th scope="col">Rollout</th><th scope="col">Ridge</th></tr></thead>
<tbody id="rows"></tbody></table>
</div>
</main>
<script type="application/json" id="data">$data</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const get = (id) => document.getElementById(id);
const make = (tag, text, name) => {
  const node = document.createElement(tag);
  node.textContent = text;
  if (name) node.className = name;
  return node;
};
const fill = (select, names, chosen) => {
  select.replaceChildren(...names.map((name, i) => {
    const option = make("option", name);
    option.value = i;
    option.selected = i === chosen;
    return option;
  }));
};
const written = (value) => value === null ? "–" : String(value).replace("-", "−");

// Positions of the k values farthest from 0; zeros are never among them.
const largest = (values, k) => new Set(
  values.map((value, i) => [Math.abs(value ?? 0), i]).filter(([size]) => size > 0)
    .sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, k).map(([, i]) => i));

const look = (value, most) => {
  if (!value) return "";
  const share = Math.abs(value) / most;
  const bin = share <= 0.1 ? 1 : share <= 0.3 ? 2 : share <= 0.6 ? 3 : 4;
  return (value > 0 ? " up m" : " down m") + bin;
};

function draw(id, text, values, chosen, hover) {
  const box = get(id);
  if (!values) {
    box.replaceChildren(make("p", "No lasso with this k: it is more than a quarter of the "
      + "width, or than there are tokens.", "note"));
    return;
  }
  // A first token that takes nearly all attention would leave no shades for the others.
  const most = Math.max(...values.slice(1).map((value) => Math.abs(value ?? 0)));
  box.replaceChildren();
  text.tokens.forEach((token, i) => {
    const last = i === text.tokens.length - 1;
    const node = make("span", "", "t" + look(values[i], most)
      + (chosen.has(i) ? " chosen" : "") + (last ? " target" : ""));
    for (const part of token.split(/([␣↵⇥])/)) {
      if (part) node.append("␣↵⇥".includes(part) ? make("i", part) : part);
      if (part === "↵") node.append(make("br", ""));
    }
    node.title = hover(i);
    node.dataset.i = i;
    box.append(node, make("wbr", "")); // between tokens a line may break
  });
}

function show() {
  const text = data.models[get("model").value]?.texts[get("text").value];
  if (!text) {
    for (const id of ["lasso", "attention", "ridge", "rows"]) get(id).replaceChildren();
    get("summary").textContent = "This model has no text to show.";
    return;
  }
  const k = data.k[get("k").value];
  const lasso = text.lasso[k];
  const columns = [lasso ?? text.tokens.map(() => null), text.attention, text.rollout, text.ridge];
  const chosen = columns.map((values) => largest(values, k));
  const last = text.tokens.length - 1;
  const hover = (i) => "position " + text.positions[i] + ", " + text.tokens[i]
    + (i === last ? ": the target" : ": lasso " + written(columns[0][i]) + ", attention "
      + written(columns[1][i]) + ", ridge " + written(columns[3][i]));
  draw("lasso", text, lasso, chosen[0], hover);
  draw("attention", text, text.attention, chosen[1], hover);
  draw("ridge", text, text.ridge, chosen[3], hover);
  const shared = (other) => [...chosen[0]].filter((i) => other.has(i)).length;
  get("summary").textContent = lasso
    ? "k = " + k + ": lasso chooses " + chosen[0].size + ", of which " + shared(chosen[1])
      + " are among the " + chosen[1].size + " with most attention and " + shared(chosen[3])
      + " among the " + chosen[3].size + " with the largest ridge weights."
    : "No lasso with k = " + k + " for this model and text.";
  get("rows").replaceChildren(...text.tokens.map((token, i) => {
    const row = make("tr", "");
    row.append(make("td", text.positions[i]), make("td", token + (i === last ? " (target)" : "")),
      ...columns.map((values, j) =>
        make("td", written(values[i]), chosen[j].has(i) ? "chosen" : "")));
    return row;
  }));
}

function texts() {
  const model = data.models[get("model").value];
  const before = get("text").selectedOptions[0]?.textContent;
  const names = model ? model.texts.map((text) => text.name) : [];
  fill(get("text"), names, Math.max(names.indexOf(before), 0));
  show();
}

// The token under the pointer is marked in all three panels.
document.querySelector(".panels").addEventListener("mouseover", (event) => {
  const i = event.target.closest(".t")?.dataset.i;
  for (const node of document.querySelectorAll(".panels .t")) {
    node.classList.toggle("here", node.dataset.i === i);
  }
});
get("model").addEventListener("change", texts);
get("text").addEventListener("change", show);
get("k").addEventListener("change", show);
fill(get("model"), data.models.map((model) => model.name), 0);
fill(get("k"), data.k.map(String), Math.floor(data.k.length / 2));
texts();
</script>
</body>
</html>
"""
