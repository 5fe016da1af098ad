"""Sentence view: one HTML page with the maps of all models, and the text of every point.

The page is a single file that cannot reach a network: its policy forbids it. Points carry their
label by shape and fill as well as by colour; what the pointer shows, a list shows too.
"""

import base64
import hashlib

import numpy as np

from infogeo.figures.page import check_source, fill_page
from infogeo.figures.sentence_models import label_looks
from infogeo.files import tables

NUMBERS = ["pca_1", "pca_2", "umap_1", "umap_2", "explained_1", "explained_2"]
NEEDED = ["model", "depth", "doc_id", "label", "source", *NUMBERS]
MOST = 400  # characters of a text that are shown
SIDE = 999  # coordinates are whole numbers from 0 to here: finer than the page can draw


def write(path, maps, texts: dict, *, corpus: str) -> None:
    """Write the page of `page`, with its parameters, to a file: whole or not at all."""
    tables.write_text(page(maps, texts, corpus=corpus), path)


def page(maps, texts: dict, *, corpus: str) -> str:
    """The HTML page of the maps of a corpus.

    Parameters
    ----------
    maps : pandas.DataFrame
        results/sentences/{corpus}/maps.parquet: a row per model, depth and text.
    texts : dict
        doc_id → text of the corpus. The first 400 characters are shown.
    corpus : str

    Returns
    -------
    str
        The same for the same input.

    Raises
    ------
    InfogeoError
        Where the table lacks a column, or names a text that the corpus does not have.
    """
    path = f"results/sentences/{corpus}/maps.parquet"
    check_source(maps, NEEDED, texts, path, path)
    documents = maps.drop_duplicates("doc_id").sort_values(["label", "source", "doc_id"])
    looks = label_looks(documents["label"])
    data = {
        "labels": [[label, *look] for label, look in looks.items()],
        "texts": [
            [doc_id, list(looks).index(label), source, _shortened(texts[doc_id])]
            for doc_id, label, source in documents[["doc_id", "label", "source"]].itertuples(
                index=False
            )
        ],
        "models": [
            {
                "name": model,
                "depths": [
                    _map(depth, rows.set_index("doc_id")[NUMBERS].reindex(documents["doc_id"]))
                    for depth, rows in maps_of_model.groupby("depth", sort=False)
                ],
            }
            for model, maps_of_model in maps.groupby("model", sort=False)
        ],
    }
    return fill_page(
        PAGE,
        data,
        corpus,
        style=STYLE,
        script=SCRIPT,
        policy=(
            f"default-src 'none'; script-src '{_digest(SCRIPT)}'; style-src '{_digest(STYLE)}'; "
            "img-src data:; base-uri 'none'; form-action 'none'"
        ),
    )


def _shortened(text: str) -> str:
    return text if len(text) <= MOST else text[:MOST] + "…"


def _map(depth: str, rows) -> dict:
    """One model at one depth, its texts in the order of the page; None where it lacks one."""
    explained = rows[["explained_1", "explained_2"]].max()  # equal in all rows but missing ones
    return {
        "depth": depth,
        "explained": [round(float(v), 4) if np.isfinite(v) else None for v in explained],
        "pca": _places(rows[["pca_1", "pca_2"]].to_numpy(float)),
        "umap": _places(rows[["umap_1", "umap_2"]].to_numpy(float)),
    }


def _places(coordinates: np.ndarray) -> list[list[int | None]]:
    """x and y as whole numbers up to SIDE, one scale for both; None where not finite. (m, 2)."""
    known = np.isfinite(coordinates).all(axis=1)
    if not known.any():
        return [[None] * len(coordinates)] * 2
    low, high = coordinates[known].min(axis=0), coordinates[known].max(axis=0)
    span = max((high - low).max(), np.finfo(float).tiny)
    scaled = (coordinates - (low + high) / 2) / span * SIDE + SIDE / 2  # (m, 2), in the middle
    return [
        [round(value) if finite else None for value, finite in zip(axis, known, strict=True)]
        for axis in scaled.T
    ]


def _digest(content: str) -> str:
    """What a content security policy calls a script or style that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Sentence view: maps of texts, corpus $corpus</title>
<style>$style</style>
</head>
<body>
<h1>Which texts lie near each other? Corpus $corpus</h1>
<p class="note">Each point is a text, at the mean of a model’s hidden states over its first tokens.
PCA keeps as much variance as two axes can; UMAP keeps near texts near: distances between its
groups, their sizes and its axes mean nothing. Colour, shape and fill say the label. Point at a
text, or choose it in the list, to read it.</p>
<noscript><p>The page needs JavaScript. The same points are in the table
results/sentences/*/maps.parquet.</p></noscript>
<form>
<label>Model <select id="model"></select></label>
<label>Depth <select id="depth"></select></label>
<label>Map <select id="map"><option value="pca" selected>PCA</option>
<option value="umap">UMAP</option></select></label>
</form>
<p id="summary" role="status"></p>
<main>
<section class="panel" aria-label="Map">
<svg id="plot" viewBox="0 0 1100 1100" role="img" aria-labelledby="summary"></svg>
</section>
<div class="side">
<section class="panel" aria-labelledby="h-text" aria-live="polite">
<h2 id="h-text">Text</h2>
<dl><dt>Label</dt><dd id="label"></dd><dt>Source</dt><dd id="source"></dd>
<dt>doc_id</dt><dd id="doc"></dd></dl>
<p id="text" tabindex="0"></p></section>
<fieldset class="panel"><legend>Labels</legend>
<div class="buttons"><button type="button" id="all">Show all</button>
<button type="button" id="none">Hide all</button></div>
<div id="labels"></div></fieldset>
<section class="panel" aria-labelledby="h-list">
<h2 id="h-list"><label for="list">Texts</label></h2>
<select id="list" size="8"></select></section>
</div>
</main>
<script type="application/json" id="data">$data</script>
<script>$script</script>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 90rem; padding: 1rem; background: #fff; color: #222;
  font: 0.95rem/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.25rem; margin: 0 0 0.5rem; }
h2, legend { font-size: 1rem; font-weight: 700; margin: 0 0 0.25rem; padding: 0; }
legend { float: left; width: 100%; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem 1.5rem; margin: 0.75rem 0; }
label { font-weight: 600; max-width: 100%; }
select, button { font: inherit; max-width: min(100%, 28rem); }
main { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.side { display: grid; gap: 1rem; min-width: 0; }
.panel { border: 1px solid #bbb; border-radius: 4px; padding: 0.75rem; min-width: 0; margin: 0; }
.note { color: #555; margin: 0 0 0.5rem; font-size: 0.85rem; }
#summary { margin: 0 0 0.5rem; }
#plot { display: block; width: 100%; max-height: 85vh; }
#plot text { font-size: 26px; fill: #222; }
#plot .frame { fill: none; stroke: #bbb; stroke-width: 2; }
#plot .ring { fill: none; stroke: #222; stroke-width: 4; pointer-events: none; }
.point { cursor: pointer; }
legend ~ * { clear: both; }
.buttons { display: flex; gap: 0.5rem; margin-bottom: 0.25rem; }
#labels { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); }
#labels label { display: flex; gap: 0.4rem; align-items: center; font-weight: 400;
  overflow-wrap: anywhere; }
#labels svg { flex: none; width: 1.3rem; height: 1.3rem; }
#list { width: 100%; max-width: none; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 0.75rem; margin: 0; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; }
#text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; height: 13.5em;
  overflow-y: auto; margin: 0.5rem 0 0; }
"""

SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const get = (id) => document.getElementById(id);
const make = (tag, text, name) => {
  const node = document.createElement(tag);
  node.textContent = text;
  if (name) node.className = name;
  return node;
};
const draw = (tag, attributes, text = "") => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
};

// Outlines around 0, of about equal area; the names are matplotlib's.
const outlines = {
  o: "M-10 0A10 10 0 1 1 10 0A10 10 0 1 1-10 0Z",
  s: "M-9-9H9V9H-9Z",
  "^": "M0-12L11.5 9H-11.5Z",
  D: "M0-12L12 0L0 12L-12 0Z",
  v: "M0 12L11.5-9H-11.5Z",
  X: "M-6-12L0-6L6-12L12-6L6 0L12 6L6 12L0 6L-6 12L-12 6L-6 0L-12-6Z",
};
const mark = ([, colour, shape, filled], place = "") => draw("path", {
  d: outlines[shape], class: "point", transform: place,
  ...(filled ? { fill: colour, stroke: "#fff" } : { fill: "#fff", stroke: colour }),
  "stroke-width": filled ? 1 : 4,
});

const hidden = new Set(); // labels that are not shown
let chosen = 0; // the text that is read
let points = []; // of the map that is shown: [text, x, y]

const [left, bottom] = [70, 1030]; // of the frame of the map
const across = (x) => left + x;
const up = (y) => bottom - y;
const percent = (share) => share === null ? "" : " (" + (100 * share).toFixed(1)
  + " % of the variance)";

function current() {
  const model = data.models[get("model").value];
  const depth = model?.depths[get("depth").value];
  return { model, depth, kind: get("map").value };
}

function show() {
  const { model, depth, kind } = current();
  const plot = get("plot");
  plot.replaceChildren(draw("rect", {
    class: "frame", x: left - 30, y: bottom - 1029, width: 1059, height: 1059,
  }));
  points = [];
  if (!depth) {
    get("summary").textContent = "There is no map to show.";
    return;
  }
  const [first, second] = kind === "pca"
    ? depth.explained.map((share, i) => "PC " + (i + 1) + percent(share)) : ["UMAP 1", "UMAP 2"];
  plot.append(
    draw("text", { x: 570, y: 1092, "text-anchor": "middle" }, first),
    draw("text", { transform: "translate(28 530) rotate(-90)", "text-anchor": "middle" }, second));
  const [xs, ys] = depth[kind];
  data.texts.forEach(([, label], i) => {
    if (xs[i] === null || hidden.has(label)) return;
    const point = mark(data.labels[label], `translate(${across(xs[i])} ${up(ys[i])})`);
    point.dataset.text = i;
    plot.append(point);
    points.push([i, across(xs[i]), up(ys[i])]);
  });
  const placed = xs.filter((x) => x !== null).length;
  get("summary").textContent = model.name + ", depth " + depth.depth + ", "
    + kind.toUpperCase() + ": " + points.length + " of " + placed + " texts shown"
    + (placed < data.texts.length
      ? "; " + (data.texts.length - placed) + " of the corpus have no place in this map." : ".");
  choose(chosen);
}

// A ring around the point, the same text in the list, and its words beside the map.
function choose(i) {
  if (!data.texts.length) return;
  chosen = i;
  const [doc, label, source, text] = data.texts[i];
  get("plot").querySelector(".ring")?.remove();
  const place = points.find(([text]) => text === i);
  if (place) {
    get("plot").append(draw("circle", { class: "ring", cx: place[1], cy: place[2], r: 20 }));
  }
  get("list").value = i;
  get("label").textContent = data.labels[label][0] + (place ? "" : " (not in this map, or hidden)");
  get("source").textContent = source;
  get("doc").textContent = doc;
  get("text").textContent = text;
}

function fill(select, names, at) {
  select.replaceChildren(...names.map((name, i) => {
    const option = make("option", name);
    option.value = i;
    option.selected = i === at;
    return option;
  }));
}

function depths() {
  const before = get("depth").selectedOptions[0]?.textContent;
  const names = (data.models[get("model").value]?.depths ?? []).map(({ depth }) => depth);
  const at = names.indexOf(before);
  fill(get("depth"), names, at < 0 ? names.length - 1 : at);
  show();
}

// The shown point nearest to the pointer, if there is one within its reach.
function near(event) {
  const plot = get("plot");
  const at = new DOMPoint(event.clientX, event.clientY)
    .matrixTransform(plot.getScreenCTM().inverse());
  let [best, least] = [null, 30];
  for (const [i, x, y] of points) {
    const distance = Math.hypot(at.x - x, at.y - y);
    if (distance < least) [best, least] = [i, distance];
  }
  if (best !== null && best !== chosen) choose(best);
}

data.labels.forEach((label, i) => {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = true;
  box.addEventListener("change", () => {
    if (box.checked) hidden.delete(i); else hidden.add(i);
    show();
  });
  const sign = draw("svg", { viewBox: "-15 -15 30 30", "aria-hidden": "true" });
  sign.append(mark(label));
  const count = data.texts.filter(([, of]) => of === i).length;
  const line = make("label", "");
  line.append(box, sign, make("span", label[0] + " (" + count + ")"));
  get("labels").append(line);
});
for (const [id, shown] of [["all", true], ["none", false]]) {
  get(id).addEventListener("click", () => {
    for (const box of get("labels").querySelectorAll("input")) box.checked = shown;
    data.labels.forEach((_, i) => { if (shown) hidden.delete(i); else hidden.add(i); });
    show();
  });
}
data.labels.forEach(([name], label) => {
  const group = document.createElement("optgroup");
  group.label = name;
  data.texts.forEach(([doc, of], i) => {
    if (of !== label) return;
    const option = make("option", doc);
    option.value = i;
    group.append(option);
  });
  get("list").append(group);
});
fill(get("model"), data.models.map(({ name }) => name), 0);
get("plot").addEventListener("pointermove", near);
get("plot").addEventListener("pointerdown", near);
get("list").addEventListener("change", () => choose(Number(get("list").value)));
get("model").addEventListener("change", depths);
get("depth").addEventListener("change", show);
get("map").addEventListener("change", show);
depths();
"""
