import json
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from infogeo.figures import sentence_view
from infogeo.figures.sentence_models import label_looks
from infogeo.files.errors import InfogeoError

HOSTILE = "</script><img src=x onerror=\"document.title='broken'\"><b>bold</b> & more\u2028text"
LABELS = ["email", "json", "unittest"]
MODELS = ["small", "big"]
PER_LABEL = 4
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def maps_of(models=MODELS, depths=("0.5", "final"), seed=0):
    """A table of maps with random places."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(LABELS, PER_LABEL)
    frames = [
        pd.DataFrame(
            {
                "model": model, "depth": depth,
                "doc_id": [f"{label}.{i}" for i, label in enumerate(labels)],
                "label": labels, "source": [f"{label} module" for label in labels],
                "pca_1": rng.normal(size=len(labels)), "umap_1": rng.normal(size=len(labels)) + 9,
                "pca_2": rng.normal(size=len(labels)), "umap_2": rng.normal(size=len(labels)) - 9,
                "explained_1": 0.41372 if depth == "final" else 0.3, "explained_2": 0.127,
            }
        )
        for model in models
        for depth in depths
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def texts_of(maps):
    return {doc_id: f"{doc_id} says\n  {HOSTILE}" for doc_id in maps["doc_id"]} | {"unused": "no"}


def page(maps, texts=None, corpus="docs"):
    return sentence_view.page(maps, texts or texts_of(maps), corpus=corpus)


class Page(HTMLParser):
    """Elements of a page with their attributes and text."""

    def __init__(self, source):
        super().__init__()
        self.elements = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2] += data

    def all(self, tag):
        return [(attrs, text) for name, attrs, text in self.elements if name == tag]

    def data(self):
        ((_, text),) = [found for found in self.all("script") if found[0].get("id") == "data"]
        return json.loads(text)


@pytest.fixture(scope="module")
def one():
    maps = maps_of()
    return maps, Page(page(maps))


# ---------------------------------------------------------------- what is in the page


def test_places_keep_their_shape_to_a_thousandth_and_stay_in_the_frame(one):
    maps, found = one
    data = found.data()
    for model in data["models"]:
        for depth in model["depths"]:
            rows = maps[(maps["model"] == model["name"]) & (maps["depth"] == depth["depth"])]
            rows = rows.set_index("doc_id").loc[[text[0] for text in data["texts"]]]
            for kind in ("pca", "umap"):
                drawn = np.array(depth[kind])  # (2, texts)
                true = rows[[f"{kind}_1", f"{kind}_2"]].to_numpy().T
                span = np.ptp(true, axis=1).max()
                gaps = (drawn[:, :, None] - drawn[:, None]) / 999
                wanted = (true[:, :, None] - true[:, None]) / span
                assert np.abs(gaps - wanted).max() <= 1.001 / 999
                assert drawn.min() >= 0
                assert drawn.max() <= 999
                assert np.ptp(drawn, axis=1).max() == 999


def test_each_text_is_there_once_with_its_label_and_source(one):
    maps, found = one
    data = found.data()
    assert [name for name, *_ in data["labels"]] == LABELS
    assert sorted(text[0] for text in data["texts"]) == sorted(set(maps["doc_id"]))
    for doc_id, label, source, text in data["texts"]:
        name = doc_id.split(".")[0]
        assert (LABELS[label], source) == (name, f"{name} module")
        assert text == texts_of(maps)[doc_id]


def test_marks_are_those_of_the_figures(one):
    assert [tuple(look) for _, *look in one[1].data()["labels"]] == list(
        label_looks(LABELS).values()
    )


def test_models_and_depths_are_in_the_order_of_the_table_with_their_variance(one):
    data = one[1].data()
    assert [model["name"] for model in data["models"]] == MODELS
    depths = [(depth["depth"], depth["explained"]) for depth in data["models"][0]["depths"]]
    assert depths == [("0.5", [0.3, 0.127]), ("final", [0.4137, 0.127])]


def test_long_texts_are_cut_after_400_characters():
    maps = maps_of()
    texts = dict.fromkeys(maps["doc_id"], "x" * 399 + "é!") | {"json.4": "y" * 400}
    shown = {text[0]: text[3] for text in Page(page(maps, texts)).data()["texts"]}
    assert shown["json.4"] == "y" * 400
    assert shown["json.5"] == "x" * 399 + "é…"


def test_a_text_that_a_model_lacks_has_no_place_there_and_keeps_it_elsewhere():
    maps = maps_of()
    gone = (maps["model"] == "big") & (maps["doc_id"] == "json.5")
    data = Page(page(maps[~gone])).data()
    at = [text[0] for text in data["texts"]].index("json.5")
    small, big = (model["depths"][0] for model in data["models"])
    assert big["pca"][0][at] is big["umap"][1][at] is None
    assert big["explained"] == [0.3, 0.127]
    assert None not in small["pca"][0]


def test_places_that_are_not_finite_are_left_out():
    maps = maps_of()
    maps.loc[maps["model"] == "big", ["umap_1", "explained_2"]] = np.nan
    maps.loc[0, "pca_2"] = np.inf
    small, big = (model["depths"][0] for model in Page(page(maps)).data()["models"])
    assert set(big["umap"][0] + big["umap"][1]) == {None}
    assert big["explained"] == [0.3, None]
    assert (small["pca"][0][0], small["pca"][1][0]) == (None, None)
    assert None not in small["pca"][0][1:]


def test_texts_at_one_place_stand_in_the_middle():
    maps = maps_of()
    maps[["pca_1", "pca_2"]] = 5.0
    places = Page(page(maps)).data()["models"][0]["depths"][0]["pca"]
    assert set(places[0] + places[1]) == {500}


def test_rows_in_any_order_give_the_same_places():
    maps = maps_of(["only"], ["final"])
    assert page(maps) == page(maps.sample(frac=1, random_state=0))


def test_an_empty_table_gives_a_page():
    data = Page(page(maps_of()[:0], {"a": "b"})).data()
    assert data == {"labels": [], "texts": [], "models": []}


def test_a_thousand_models_take_a_few_megabytes():
    few, many = (len(page(maps_of([f"model {i}" for i in range(n)]))) for n in (1, 11))
    points = 10 * 2 * len(LABELS) * PER_LABEL  # models × depths × texts
    assert (many - few) / points < 30  # bytes of a point; 1000 models of 200 texts: 12 MB at most


# ---------------------------------------------------------------- what a page must not do


def test_nothing_in_a_text_ends_the_script_or_becomes_an_element(one):
    maps, found = one
    assert len(found.all("script")) == 2
    assert not found.all("b")
    assert not found.all("img")
    source = page(maps)
    assert "\u2028" not in source
    assert source.count("</script>") == 2


def test_names_cannot_become_elements_either():
    maps = maps_of(["<u>model"]).replace({"label": {"json": "<u>json"}})
    maps["source"] = "<u>source"
    found = Page(page(maps, corpus="<u>corpus & co"))
    assert not found.all("u")
    assert "corpus <u>corpus & co" in found.all("title")[0][1]
    assert found.data()["models"][0]["name"] == "<u>model"


def test_the_page_needs_no_network_and_forbids_it(one):
    _, found = one
    for _, attrs, _ in found.elements:
        assert not {"src", "srcset", "action"} & set(attrs)
        assert attrs.get("href", "data:,") == "data:,"
    (policy,) = [
        attrs["content"]
        for attrs, _ in found.all("meta")
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in page(maps_of()).replace("http-equiv", "").replace(
        "http://www.w3.org/2000/svg",
        "",  # a name, not an address
    )


def test_controls_have_labels_and_without_scripts_the_page_says_where_the_numbers_are(one):
    _, found = one
    assert found.all("html")[0][0]["lang"] == "en"
    assert [attrs["id"] for attrs, _ in found.all("select")] == ["model", "depth", "map", "list"]
    assert len(found.all("label")) == 4
    assert len(found.all("noscript")) == 1


def test_the_file_is_the_page_in_utf8(tmp_path):
    maps = maps_of()
    path = tmp_path / "view.html"
    sentence_view.write(path, maps, texts_of(maps), corpus="docs")
    assert path.read_bytes().decode() == page(maps)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("column", ["umap_1", "source", "explained_2"])
def test_a_table_without_a_needed_column_is_refused_by_name(column):
    with pytest.raises(InfogeoError, match=rf"docs/maps\.parquet: .*{column}.* snakemake -R"):
        page(maps_of().drop(columns=column))


def test_a_text_that_the_corpus_does_not_have_is_refused_by_name():
    with pytest.raises(InfogeoError, match=r"maps\.parquet: doc_id 'email\.0' .* snakemake -R"):
        page(maps_of(), {"json.4": "text"})


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium with a profile of its own."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (
        "headless=new", "no-sandbox", "disable-gpu", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync",
        "window-size=1280,1000", f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Shown:
    """The page in the browser, as a reader uses it."""

    def __init__(self, driver, data):
        self.driver, self.data = driver, data

    def find(self, css):
        return self.driver.find_elements("css selector", css)

    def one(self, css):
        (element,) = self.find(css)
        return element

    def text(self, name):
        return self.one(f"#{name}").get_attribute("textContent")

    def choose(self, select, name):
        from selenium.webdriver.support.ui import Select

        Select(self.one(f"#{select}")).select_by_visible_text(name)

    def hover(self, element):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).move_to_element(element).perform()

    def points(self):
        """doc_id → place of its point in the plot."""
        found = self.driver.execute_script(
            "return [...document.querySelectorAll('#plot .point')].map("
            "(p) => [p.dataset.text, p.transform.baseVal[0].matrix])"
        )
        return {self.data["texts"][int(i)][0]: (at["e"], at["f"]) for i, at in found}

    def wanted(self, model, depth, kind):
        """The same from the data: y grows upwards."""
        (model,) = [m for m in self.data["models"] if m["name"] == model]
        (depth,) = [d for d in model["depths"] if d["depth"] == depth]
        texts = [text[0] for text in self.data["texts"]]
        return {doc: (70 + x, 1030 - y) for doc, x, y in zip(texts, *depth[kind], strict=True)}


@pytest.fixture
def shown(browser, one, tmp_path):
    """The page, opened from a file; afterwards nothing must stand in the console."""
    maps, found = one
    path = tmp_path / "view.html"
    sentence_view.write(path, maps, texts_of(maps), corpus="docs")
    browser.get("about:blank")
    browser.get_log("performance")  # of the page before
    browser.get(path.as_uri())
    yield Shown(browser, found.data())
    assert browser.get_log("browser") == []


def requests(log):
    """Addresses that the browser asked for, from its performance log."""
    messages = [json.loads(entry["message"])["message"] for entry in log]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def test_the_page_opens_from_a_file_with_all_points_and_asks_for_nothing_else(shown):
    assert shown.points() == shown.wanted("small", "final", "pca")
    assert shown.text("summary") == "small, depth final, PCA: 12 of 12 texts shown."
    assert "PC 1 (41.4 % of the variance)" in shown.text("plot")
    entries = "return performance.getEntriesByType('resource').length"
    assert shown.driver.execute_script(entries) == 0
    asked = requests(shown.driver.get_log("performance"))
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in asked) == 1


def test_what_tries_to_reach_a_network_or_to_run_is_refused(shown):
    refused = shown.driver.execute_async_script(
        """
        const done = arguments[arguments.length - 1], found = [];
        document.addEventListener("securitypolicyviolation", (event) => {
          found.push(event.effectiveDirective);
          if (found.length === 2) done(found);
        });
        const script = document.createElement("script");
        script.textContent = "document.title = 'ran'";
        document.body.append(script);
        fetch("http://127.0.0.1:9/").catch(() => {});
        """
    )
    assert sorted(refused) == ["connect-src", "script-src-elem"]
    assert "ran" not in shown.driver.title
    assert len(shown.driver.get_log("browser")) >= 2  # the refusals; the console is empty again


def test_hover_shows_the_text_its_label_source_and_name(shown):
    for doc_id, label in (("unittest.9", "unittest"), ("json.6", "json")):
        at = [text[0] for text in shown.data["texts"]].index(doc_id)
        shown.hover(shown.one(f'#plot .point[data-text="{at}"]'))
        assert shown.text("doc") == doc_id
        assert shown.text("label") == label
        assert shown.text("source") == f"{label} module"
        assert shown.text("text").startswith(f"{doc_id} says\n  </script>")
        ring = shown.one("#plot .ring")
        place = tuple(float(ring.get_attribute(name)) for name in ("cx", "cy"))
        assert place == shown.points()[doc_id]
        assert shown.one("#list").get_attribute("value") == str(at)


def test_the_list_shows_texts_to_the_keyboard(shown):
    from selenium.webdriver.common.keys import Keys

    listed = [option.get_attribute("textContent") for option in shown.find("#list option")]
    assert listed == [text[0] for text in shown.data["texts"]]
    groups = [group.get_attribute("label") for group in shown.find("#list optgroup")]
    assert groups == LABELS
    assert shown.text("doc") == listed[0]
    shown.one("#list").send_keys(Keys.DOWN, Keys.DOWN)
    assert shown.text("doc") == listed[2]
    assert shown.find("#plot .ring")


def test_switching_model_depth_and_map_changes_the_points_and_keeps_the_text(shown):
    shown.choose("list", "json.5")
    shown.choose("model", "big")
    assert shown.points() == shown.wanted("big", "final", "pca")
    shown.choose("depth", "0.5")
    assert shown.points() == shown.wanted("big", "0.5", "pca")
    assert "PC 1 (30.0 % of the variance)" in shown.text("plot")
    shown.choose("map", "UMAP")
    assert shown.points() == shown.wanted("big", "0.5", "umap")
    shown.choose("model", "small")
    assert shown.points() == shown.wanted("small", "0.5", "umap")
    assert shown.text("summary") == "small, depth 0.5, UMAP: 12 of 12 texts shown."
    assert "UMAP 1" in shown.text("plot")
    assert shown.text("doc") == "json.5"


def test_toggling_a_label_hides_its_points_also_in_other_maps(shown):
    boxes = shown.find("#labels input")
    assert [box.is_selected() for box in boxes] == [True] * 3
    names = [name.text for name in shown.find("#labels span")]
    assert names == [f"{label} ({PER_LABEL})" for label in LABELS]
    boxes[1].click()
    everything = shown.wanted("small", "final", "pca")
    rest = {doc: at for doc, at in everything.items() if not doc.startswith("json")}
    assert shown.points() == rest
    assert "8 of 12 texts shown" in shown.text("summary")
    shown.choose("model", "big")
    assert not [doc for doc in shown.points() if doc.startswith("json")]
    shown.choose("list", "json.5")
    assert "not in this map, or hidden" in shown.text("label")
    assert not shown.find("#plot .ring")
    shown.one("#none").click()
    assert shown.points() == {}
    shown.one("#all").click()
    assert shown.points() == shown.wanted("big", "final", "pca")


def test_marks_differ_by_shape_or_fill_and_the_legend_shows_them(shown):
    script = """return [...document.querySelectorAll(arguments[0])].map((p) =>
        [p.getAttribute("d"), p.getAttribute("fill"), p.getAttribute("stroke")])"""
    legend = [tuple(mark) for mark in shown.driver.execute_script(script, "#labels path")]
    plot = [tuple(mark) for mark in shown.driver.execute_script(script, "#plot .point")]
    assert len({mark[0] for mark in legend}) == len(LABELS)
    assert plot == [legend[text[1]] for text in shown.data["texts"]]


def test_markup_in_a_text_is_shown_and_never_run(shown):
    assert shown.text("text") == f"email.0 says\n  {HOSTILE}"
    assert not shown.find("img, b")
    assert shown.driver.title == "Sentence view: maps of texts, corpus docs"


def test_markup_in_names_is_shown_and_never_run(browser, tmp_path):
    name = "<img src=x onerror=alert(1)>"
    maps = maps_of([f"{name} model"])
    for column in ("doc_id", "label", "source", "depth"):
        maps[column] = f"{name} " + maps[column]
    path = tmp_path / "view.html"
    sentence_view.write(path, maps, texts_of(maps), corpus=f"{name} corpus")
    browser.get(path.as_uri())
    shown = Shown(browser, Page(path.read_text()).data())
    assert not shown.find("img")
    for place in ("model", "depth", "list", "labels", "label", "source", "doc", "summary"):
        assert name in shown.text(place)
    assert browser.get_log("browser") == []
