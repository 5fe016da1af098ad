import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from infogeo.files.errors import InfogeoError
from infogeo.planning import configuration, input_tables, schemas
from infogeo.planning.training_rows import STUDIES
from infogeo.sources import ladder_members, replicates

CONFIG = Path(__file__).parents[3] / "config"
SCHEMAS = ("config", "models", "corpora")

LADDER = {"tiny": {"widths": [32, 64], "depths": [1, 2], "seeds": [0, 1]}}
MODEL_HEADER = "slug\tfamily\tsource\twhere"
CORPUS_HEADER = "slug\tsource\twhere"
# A sound table of the other kind, since both are read together.
SOUND = {
    "models": f"{MODEL_HEADER}\na\tf\thub\to/r\n",
    "corpora": f"{CORPUS_HEADER}\ttrain_share\ndocstrings\tdocstrings\t\t0.5\n",
}


@pytest.fixture
def config():
    return configuration.merged({"ladders": LADDER})


def problems(function, *arguments) -> list[str]:
    """The problems that a call reports, without the headline."""
    with pytest.raises(InfogeoError) as error:
        function(*arguments)
    headline, *lines = str(error.value).split("\n")
    assert re.search(rf"\b{len(lines)} problems?$", headline)
    return [line.removeprefix("  - ") for line in lines]


def config_problems(**config) -> list[str]:
    return problems(configuration.merged, config)


def only(lines: list[str]) -> str:
    assert len(lines) == 1, lines
    return lines[0]


class Table:
    """A table of one kind, read beside a sound one of the other kind."""

    def __init__(self, folder, kind, header, config):
        self.path, self.kind, self.header = folder / f"{kind}.tsv", kind, header
        self.config = {**config, kind: str(self.path)}
        for other in SOUND.keys() - {kind}:
            beside = folder / f"sound.{other}.tsv"
            beside.write_text(SOUND[other])
            self.config[other] = str(beside)

    def write(self, *rows, header=None):
        self.path.write_text("\n".join([header or self.header, *rows]) + "\n", encoding="utf-8")
        return self

    def read(self, **changes):
        models, corpora = input_tables.read(self.config | changes)
        return models if self.kind == "models" else corpora

    def problems(self, *rows, header=None, **changes):
        self.write(*rows, header=header)
        return self.problems_in_file(**changes)

    def problems_in_file(self, **changes):
        prefix = f"{self.path}: "
        lines = problems(lambda: self.read(**changes))
        assert all(line.startswith(prefix) for line in lines)
        return [line.removeprefix(prefix) for line in lines]


@pytest.fixture
def models(tmp_path, config):
    return Table(tmp_path, "models", MODEL_HEADER, config)


@pytest.fixture
def directory(tmp_path):
    """The smallest directory that passes for a model: no tensors, no tokens."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return folder


@pytest.fixture
def corpora(tmp_path, config):
    return Table(tmp_path, "corpora", CORPUS_HEADER, config)


@pytest.fixture(params=["models", "corpora"])
def table(request):
    return request.getfixturevalue(request.param)


# ---------------------------------------------------------------- schemas and their documentation
@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_valid_and_describe_every_key(name):
    schema = schemas.read(name)
    Draft202012Validator.check_schema(schema)

    def check(part, path):
        if "properties" in part:
            assert part["additionalProperties"] is False, path
        inner = dict(part.get("properties", {}))
        if isinstance(part.get("additionalProperties"), dict):
            inner["<name>"] = part["additionalProperties"]
        for key, value in inner.items():
            assert value.get("description", "").strip().endswith("."), f"{path}.{key}"
            check(value, f"{path}.{key}")

    check(schema, name)


def test_every_setting_has_a_default():
    def check(part, path):
        for key, value in part.get("properties", {}).items():
            assert "default" in value, f"{path}.{key}"
            check(value, f"{path}.{key}")
            if isinstance(value.get("additionalProperties"), dict):
                check(value["additionalProperties"], f"{path}.{key}.<name>")

    check(schemas.read("config"), "config")


def test_config_yaml_shows_exactly_the_defaults_of_the_schema():
    shown = yaml.safe_load((CONFIG / "config.yaml").read_text())
    (ladder,) = shown["ladders"]
    assert configuration.merged({"ladders": {ladder: {}}}) == shown


def test_config_yaml_tells_editors_where_its_schema_is():
    line = (CONFIG / "config.yaml").read_text().split("\n")[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(.+)", line)
    assert (CONFIG / match[1]).is_file()


def documented(first_column: str) -> list[dict[str, tuple[str, str]]]:
    """{name: (unit, default)} of each table in the README whose first column is so called."""
    tables, row = [], re.compile(r"\| `([^`]+)` \| (.+?) \| (.+?) \| .+ \|")
    for block in (CONFIG / "README.md").read_text().split("\n\n"):
        lines = block.strip().split("\n")
        if lines[0].startswith(f"| {first_column} |"):
            matches = [row.fullmatch(line) for line in lines[2:]]
            assert all(matches), block
            tables.append({match[1]: (match[2], match[3]) for match in matches})
    return tables


def test_the_readme_documents_every_setting_with_its_default():
    found = {k: v for table in documented("key") for k, v in table.items()}
    schema = schemas.read("config")
    assert set(found) == set(schemas.paths(schema))
    for path, (unit, default) in found.items():
        part = schema
        for key in path.split("."):
            part = part["additionalProperties"] if key == "<name>" else part["properties"][key]
        assert unit
        if part.get("type") == "object" and path != "ladders":
            assert default == "–", path
        else:
            assert yaml.safe_load(default.strip("`")) == part["default"], path


@pytest.mark.parametrize(("index", "name"), [(0, "models"), (1, "corpora")])
def test_the_readme_documents_every_column_with_its_default(index, name):
    found = documented("column")[index]
    schema = schemas.read(name)
    assert list(found) == list(schema["properties"])
    for column, (_, default) in found.items():
        if column in schema["required"]:
            assert default == "required"
        else:
            expected = schema["properties"][column]["default"]
            shown = "empty" if expected in (None, "") else json.dumps(expected).strip('"')
            assert default.strip("`") == shown, column


def test_reading_the_configuration_imports_nothing_heavy():
    code = "import sys; from infogeo.planning import input_tables; print(*sys.modules)"
    path = {**os.environ, "PYTHONPATH": str(CONFIG.parent / "workflow_scripts")}
    run = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, check=True)
    heavy = {"numpy", "pandas", "torch", "transformers", "snakemake", "matplotlib", "h5py"}
    assert not heavy & set(run.stdout.decode().split())


# ---------------------------------------------------------------- config.yaml
def test_what_the_user_sets_is_kept_and_the_rest_filled_in_at_every_level():
    given = {"spectra": {"n": [16, 128]}, "ladders": {"mine": {"batch": 2}}}
    config = configuration.merged(given)
    assert config["spectra"]["n"] == [16, 128]
    assert config["controls"]["untrained_draws"] == 3
    assert config["ladders"]["mine"]["batch"] == 2
    assert config["ladders"]["mine"]["beta2"] == 0.98
    assert given == {"spectra": {"n": [16, 128]}, "ladders": {"mine": {"batch": 2}}}


def test_defaults_are_not_shared_between_configurations():
    configuration.merged({})["spectra"]["n"].append(7)
    assert configuration.merged({})["spectra"]["n"] == [32, 128]


def test_completing_a_complete_configuration_changes_nothing(config):
    assert configuration.merged(config) == config


def test_a_section_whose_keys_are_all_commented_out_means_its_defaults():
    assert configuration.merged(yaml.safe_load("spectra:\n")) == configuration.merged({})


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_what_a_command_line_gives_as_text_is_true_or_false(text, value):
    # snakemake --config keep_hidden_states=false
    assert configuration.merged({"keep_hidden_states": text})["keep_hidden_states"] is value


def test_numbers_that_yaml_reads_as_text_are_numbers():
    given = yaml.safe_load("{plan: {flops_per_second: 5e13}, ladders: {big: {tokens: 1e9}}}")
    assert isinstance(given["plan"]["flops_per_second"], str)
    config = configuration.merged(given)
    assert config["plan"]["flops_per_second"] == 5e13
    tokens = config["ladders"]["big"]["tokens"]
    assert tokens == 10**9
    assert isinstance(tokens, int)


def test_depths_may_be_written_with_or_without_quotes():
    given = yaml.safe_load("{scaling: {depths: [0, 0.50, '1', final]}, headline: {depth: 0.5}}")
    config = configuration.merged(given)
    assert config["scaling"]["depths"] == ["0", "0.5", "1", "final"]
    assert config["headline"]["depth"] == "0.5"


def test_all_problems_are_listed_at_once():
    lines = config_problems(
        sed=1, spectra={"n": [1]}, headline={"axis": "all"}, ladders={"a": {"beta2": 2}}
    )
    assert [line.split(":")[0] for line in lines] == [
        "sed", "headline.axis", "ladders.a.beta2", "spectra.n[0]"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "path", "hint"),
    [
        ({"spectr": {}}, "spectr", "Did you mean spectra?"),
        ({"controls": {"untraind_draws": 3}}, "controls.untraind_draws", "mean untrained_draws?"),
        ({"ladders": {"a": {"width": [3]}}}, "ladders.a.width", "Did you mean widths?"),
        ({"eps2": [1]}, "eps2", "Did you mean entropy.eps2 or headline.eps2?"),
        ({"plan": {"cpu": 1}}, "plan.cpu", "Known here: flops_per_second, gpu_gigabytes."),
    ],
)
def test_a_misspelt_key_is_refused_at_every_level_with_the_likely_one(config, path, hint):
    line = only(config_problems(**config))
    assert line.startswith(f"{path}: unknown key")
    assert hint in line


@pytest.mark.parametrize(
    ("config", "start"),
    [
        ({"seed": "x"}, 'seed: "x" must be a whole number'),
        ({"seed": True}, "seed: true must be a whole number"),
        ({"seed": -1}, "seed: -1 must be at least 0"),
        ({"models": True}, "models: true must be text"),
        ({"entropy": [1]}, "entropy: [1] must be a section of keys"),
        ({"entropy": {"eps2": []}}, "entropy.eps2: [] must have at least 1 item"),
        ({"entropy": {"eps2": [0]}}, "entropy.eps2[0]: 0 must be above 0"),
        ({"spectra": {"n": 128}}, "spectra.n: 128 must be a list"),
        ({"spectra": {"n": [32.5]}}, "spectra.n[0]: 32.5 must be a whole number"),
        ({"spectra": {"n": [32, 32]}}, "spectra.n: [32, 32] must not repeat an item"),
        (
            {"ladders": {"a": {"head_width": 12}}},
            "ladders.a.head_width: 12 must be a multiple of 8",
        ),
        ({"launch": {"placement": "locl"}}, 'launch.placement: "locl" must be one of "debug"'),
        ({"headline": {"metrics": [["nll"]]}}, 'headline.metrics[0]: ["nll"] must have at least 2'),
        (
            {"headline": {"metrics": [["entorpy", "unit"]]}},
            'headline.metrics[0][0]: "entorpy" must',
        ),
        ({"ladders": {"a/b": {}}}, "ladders: the name 'a/b' is not a safe file name"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(config, start):
    assert only(config_problems(**config)).startswith(start)


@pytest.mark.parametrize("layers", ["most", [], ["0", "1.5"], [-1], [3], ["0.50"]])
def test_a_layer_out_of_range_is_refused(layers):
    line = only(config_problems(states={"layers": layers}))
    assert line.startswith("states.layers: ")
    assert "between 0 (embeddings) and 1 (last block" in line


@pytest.mark.parametrize(
    ("config", "start"),
    [
        ({"headline": {"n": 64}}, "headline.n: 64 is not in spectra.n [32, 128]"),
        ({"headline": {"eps2": 0.2}}, "headline.eps2: 0.2 is not in entropy.eps2"),
        (
            {
                "headline": {"depth": "0"},
                "scaling": {"depths": ["1"]},
                "sentences": {"depths": ["0"]},
            },
            "headline.depth: 0 is not in scaling.depths",
        ),
        ({"headline": {"depth": "0"}}, "headline.depth: 0 is not in sentences.depths"),
        (
            {"sentences": {"n": 256}},
            "sentences.n: 256 is more than the longest text that is stored",
        ),
        ({"scaling": {"axes": ["total"]}}, "headline.axis: non_embedding is not in scaling.axes"),
        (
            {"headline": {"metrics": [["coding_rate", "centred"]]}},
            "headline.metrics[0]: coding_rate has the convention(s) 'unit', not 'centred'",
        ),
        (
            {"headline": {"metrics": [["nll", "unit"]]}},
            "headline.metrics[0]: nll has the convention(s) '', not 'unit'",
        ),
        (
            {"headline": {"metrics": [["entropy", ""]]}},
            "headline.metrics[0]: entropy has the convention(s) 'unit', 'centred', not ''",
        ),
        ({"states": {"batch_tokens": 64}}, "states.batch_tokens: 64 is less than the longest text"),
        ({"states": {"shard_tokens": 64}}, "states.shard_tokens: 64 is less than the longest text"),
        (
            {"states": {"layers": ["0", "1", "final"]}, "sentences": {"depths": ["final"]}},
            "scaling.depths: 0.5 is compared but not",
        ),
        (
            {"states": {"layers": ["0", "1", "final"]}, "scaling": {"depths": ["final"]}},
            "sentences.depths: 0.5 is compared but not",
        ),
        (
            {"theory": {"true_probabilities": [0.5, 0.25, 0.125, 0.0625]}},
            "theory.true_probabilities: sums to 0.9375, not to 1",
        ),
        (
            {"theory": {"true_probabilities": [0.5, 0.5]}},
            "theory.background_probabilities: 4 values, but true_probabilities has 2",
        ),
        (
            {"entropy": {"eps2": [0.5, 0.50000001]}},
            "entropy.eps2: two values agree to six digits",
        ),
        (
            {"context": {"lambdas": [0.1, 0.10000001]}},
            "context.lambdas: two values agree to six digits",
        ),
        (
            {
                "states": {"layers": ["0", "1"]},
                "scaling": {"depths": ["1"]},
                "sentences": {"depths": ["1"]},
                "headline": {"depth": "1"},
            },
            "states.layers: ['0', '1'] lacks final, the layer of the context study",
        ),
        (
            {"ladders": {"a": {"widths": [32, 48]}}},
            "ladders.a.widths: 48 is not a multiple of head_width 32",
        ),
        (
            {"ladders": {"a": {"tokens": 500}}},
            "ladders.a.tokens: 500 is less than one step, batch × context = 512 tokens",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_named(config, start):
    assert only(config_problems(**config)).startswith(start)


def test_corpora_have_labels_by_package_column_or_subfolder(tmp_path):
    def labelled(source, where="", label_column=""):
        row = {"source": source, "where": str(where), "label_column": label_column}
        return input_tables.has_labels(row)

    assert labelled("docstrings")
    assert labelled("local", "texts.jsonl", "kind")
    assert not labelled("local", "texts.jsonl")
    (tmp_path / "one.txt").write_text("a text")
    assert not labelled("local", tmp_path)
    (tmp_path / "kind").mkdir()
    (tmp_path / "kind/.two.txt").write_text("a text")
    assert not labelled("local", tmp_path)
    (tmp_path / "kind/two.TXT").write_text("a text")
    assert labelled("local", tmp_path)


def test_layers_that_cover_the_compared_depths_are_enough():
    configuration.merged({"states": {"layers": [0, 0.25, 0.5, 1, "final"]}})


# ---------------------------------------------------------------- the tables
def test_models_are_completed_converted_and_sorted(models, directory):
    rows = models.write(
        "# a comment",
        "",
        f"b\tB, the second\tlocal\t{directory}\t\t70000\tTRUE",
        "a\tA\tladder\ttiny/w64-d2-s1\tfloat16",
        header=f"{MODEL_HEADER}\tdtype\tparams\ttrust_remote_code",
    ).read()
    assert rows == [
        {"slug": "a", "family": "A", "source": "ladder", "where": "tiny/w64-d2-s1", "revision": "",
         "dtype": "float16", "kind": "causal", "params": None,
         "params_non_embedding": None, "replicate": None, "pair_with": "",
         "same_as": "", "trust_remote_code": False, "architecture": "a", "run": None,
         "step": None, "steps": "", "train_tokens": 999_936, "studies": list(STUDIES),
         "checkpoint_of": "", "variant_of": "", "keep_weights": True},
        {"slug": "b", "family": "B, the second", "source": "local", "where": str(directory),
         "revision": "", "dtype": "float32", "kind": "causal",
         "params": 70000, "params_non_embedding": None, "replicate": None, "pair_with": "",
         "same_as": "", "trust_remote_code": True, "architecture": "b", "run": None,
         "step": None, "steps": "", "train_tokens": None, "studies": list(STUDIES),
         "checkpoint_of": "", "variant_of": "", "keep_weights": True},
    ]  # fmt: skip


def test_corpora_are_completed_converted_and_sorted(corpora, tmp_path):
    rows = corpora.write(
        f"z\tlocal\t{tmp_path}\t",
        "a\tdocstrings\t\t0.9",
        header=f"{CORPUS_HEADER}\ttrain_share",
    ).read()
    assert rows[0] == {
        "slug": "a", "source": "docstrings", "where": "", "revision": "", "files": "",
        "text_column": "text", "label_column": "", "texts": 0, "min_characters": 0,
        "train_share": 0.9,
    }  # fmt: skip
    assert rows[1]["train_share"] == 0


def test_tables_from_windows_are_read(corpora):
    text = f"\ufeff{CORPUS_HEADER}\r\na\tdocstrings\t\r\n\t\t\r\n"
    corpora.path.write_bytes(text.encode())
    assert [row["slug"] for row in corpora.read()] == ["a"]


def test_a_missing_table_is_named(table):
    line = only(table.problems_in_file())
    assert line.startswith("no such file")
    assert f"names the table of {table.kind}" in line


def test_an_empty_table_is_refused(table):
    table.path.write_text("# only a comment\n\n")
    assert "the table is empty" in only(table.problems_in_file())
    table.write()
    assert "a header but no row" in only(table.problems_in_file())


def test_a_table_that_is_not_utf8_is_refused(table):
    table.path.write_bytes(table.header.encode() + b"\ncaf\xe9\n")
    assert "not UTF-8" in only(table.problems_in_file())


def test_misspelt_doubled_and_missing_columns_are_named_together(models, corpora):
    assert models.problems("a", header="slug\tfamly\tsource\twhere\twhere") == [
        "line 1, column 'family' is missing",
        "line 1, column 'famly': unknown. Did you mean family?",
        "line 1, column 'where' appears twice",
    ]
    assert corpora.problems("a", header="slug\tsource\ttrain_shar") == [
        "line 1, column 'train_shar': unknown. Did you mean train_share?"
    ]


def test_a_table_separated_by_commas_is_refused(table):
    header = table.header.replace("\t", ",")
    assert "must be separated by tabs" in only(table.problems("a,b", header=header))


def test_a_row_with_a_tab_too_many_is_refused(corpora):
    line = only(corpora.problems("a\tdocstrings\t\tmore"))
    assert line == "line 2, 4 cells under 3 columns; is there a tab too many?"


def test_missing_cells_are_named(models):
    lines = models.problems("a\t\tladder")
    assert [line.split(" is missing")[0] for line in lines] == ["line 2, family", "line 2, where"]


@pytest.mark.parametrize("slug", ["a/b", "../a", ".a", "-a", "a.", "a b", "é", "a*", "a\\b"])
def test_a_slug_that_is_no_safe_file_name_is_refused(table, slug):
    rest = "docstrings\t" if table.kind == "corpora" else "f\tladder\ttiny/w32-d1-s0"
    line = only(table.problems(f"{slug}\t{rest}"))
    assert line.startswith(
        f"line 2, slug: {json.dumps(slug, ensure_ascii=False)} does not have the"
    )


def test_slugs_must_differ_by_more_than_case(models, corpora):
    rows = [f"{slug}\tf\tladder\ttiny/w32-d1-s0" for slug in ("m", "M", "m")]
    assert models.problems(*rows) == [
        "line 3, slug: 'M' differs only in case from 'm', which is on line 2; choose another",
        "line 4, slug: 'm' is on line 2; choose another",
    ]
    assert "line 3, slug: 'c'" in only(corpora.problems("c\tdocstrings\t", "c\tdocstrings\t"))


def test_a_slug_is_taken_also_where_something_else_is_wrong_with_its_row(models):
    rows = ["m\tf\tladder\ttiny/w32-d1-s0", "m\tf\tnowhere\ttiny/w32-d1-s0"]
    slug, source = models.problems(*rows)
    assert "line 3, slug: 'm' is on line 2" in slug
    assert "line 3, source" in source


def test_slugs_that_collide_with_files_of_another_row_are_refused(models, corpora):
    for end in (".untrained", ".shuffled"):
        line = only(models.problems(f"m{end}\tf\tladder\ttiny/w32-d1-s0"))
        assert f"holds {end}" in line and line.endswith("choose another")
    assert "holds .train" in only(corpora.problems("c.train\tdocstrings\t"))


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("source", "web", 'source: "web" must be one of "ladder", "local", "hub"'),
        ("dtype", "flot32", '"flot32" must be one of "float32", "float16", "bfloat16" (perhaps'),
        (
            "kind",
            "encoders",
            'kind: "encoders" must be one of "causal", "encoder" (perhaps encoder?)',
        ),
        ("params", "70M", 'params: "70M" must be a whole number or empty'),
        ("params", "0", "params: 0 must be at least 1"),
        ("replicate", "-1", "replicate: -1 must be at least 0"),
        ("replicate", "base", 'replicate: "base" must be a whole number or empty'),
        ("trust_remote_code", "yes", 'trust_remote_code: "yes" must be true or false'),
    ],
)
def test_a_wrong_cell_of_a_model_is_named(models, column, value, problem):
    row = {"slug": "a", "family": "f", "source": "ladder", "where": "tiny/w32-d1-s0"}
    row[column] = value
    line = only(models.problems("\t".join(row.values()), header="\t".join(row)))
    assert line.startswith("line 2, ")
    assert problem in line


def test_an_encoder_is_alone_in_its_family_and_sentences_have_the_length_of_a_pass(models):
    header = "slug\tfamily\tsource\twhere\tkind"
    encoder, causal = "a\t{}\thub\tgoogle/bert\tencoder", "b\tf\thub\topenai/gpt2\t"
    models.write(encoder.format("e"), causal, header=header)
    assert [row["kind"] for row in models.read()] == ["encoder", "causal"]
    models.config = models.config | {"sentences": models.config["sentences"] | {"n": 31}}
    models.write(encoder.format("f"), causal, header=header)
    mixed, sentences = problems(models.read)
    assert "a, family: 'f' has causal models too" in mixed
    assert "sentences.n: 31 is not in spectra.n [32, 128]" in sentences and "'a'" in sentences
    assert len(models.write(causal, header=header).read()) == 1


STATES_HEADER = "slug\tfamily\tsource\twhere\tdtype"


@pytest.fixture
def given(tmp_path):
    """States of another engine, described for the sound corpus."""
    folder = tmp_path / "given" / SOUND["corpora"].splitlines()[1].split("\t")[0]
    folder.mkdir(parents=True)
    (folder / "a.npz").touch()
    sizes = dict.fromkeys(("params_total", "params_non_embedding", "width", "layers"), 8)
    (folder / "states.json").write_text(json.dumps({"model": sizes, "dtype": "bfloat16"}))
    return folder


def test_states_of_another_engine_are_a_model_of_the_dtype_that_they_have(models, given):
    row = f"a\tf\tstates\t{given.parent}\t"
    models.write(row + "bfloat16", header=STATES_HEADER)
    assert [row["source"] for row in models.read()] == ["states"]
    models.write(row + "float32", header=STATES_HEADER)
    (line,) = problems(models.read)
    assert "a: " in line and "dtype bfloat16, but the models table says float32" in line
    (given / "states.json").unlink()
    assert "states.json: no such file" in only(problems(models.read))


@pytest.mark.parametrize(
    ("cells", "changes", "problem"),
    [
        ({"where": "nowhere"}, {}, "where: 'nowhere' is no folder"),
        ({"kind": "encoder"}, {}, "kind: 'encoder'; states.json says it"),
        ({"params": "10"}, {}, "params: 10; states.json says it"),
        ({}, {"keep_hidden_states": False}, "set keep_hidden_states to true"),
    ],
)
def test_what_contradicts_states_of_another_engine_is_named(models, given, cells, changes, problem):
    row = {"slug": "a", "family": "f", "source": "states", "where": str(given.parent)} | cells
    lines = models.problems("\t".join(row.values()), header="\t".join(row), **changes)
    assert problem in only(lines)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("source", "docstring", '"docstring" must be one of "docstrings", "local"'),
        ("texts", "-1", "texts: -1 must be at least 0"),
        ("min_characters", "many", 'min_characters: "many" must be a whole number'),
        ("train_share", "1", "train_share: 1 must be below 1"),
    ],
)
def test_a_wrong_cell_of_a_corpus_is_named(corpora, column, value, problem):
    row = {"slug": "a", "source": "docstrings", column: value}
    line = only(corpora.problems("\t".join(row.values()), header="\t".join(row)))
    assert problem in line


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("tiny", "'tiny' is not of the form <ladder>/w<width>-d<depth>-s<seed>"),
        ("tiny/w032-d1-s0", "is not of the form"),
        ("tiny/w32-d1-s0/", "is not of the form"),
        ("tony/w32-d1-s0", "ladders.tony is not in the configuration; did you mean tiny?"),
        ("tiny/w96-d1-s0", "width 96 is not in ladders.tiny.widths [32, 64]"),
        ("tiny/w32-d4-s0", "depth 4 is not in ladders.tiny.depths [1, 2]"),
        ("tiny/w32-d1-s5", "seed 5 is not in ladders.tiny.seeds [0, 1]"),
        ("tiny/w32-d2-s0+sunk", "is not of the form"),
    ],
)
def test_a_ladder_row_names_a_member_of_a_ladder(models, where, problem):
    line = only(models.problems(f"a\tf\tladder\t{where}"))
    assert line.startswith("line 2, where: ")
    assert problem in line


def test_a_sink_is_planted_in_the_end_of_a_training_that_has_a_row_in_float32(models):
    ladders = configuration.merged({"ladders": {"tiny": LADDER["tiny"] | {"depths": [3]}}})
    header, where = f"{MODEL_HEADER}\tdtype\tstep", "tiny/w32-d3-s0"
    sink = f"b\tf\tladder\t{where}+sink\t"

    def problems(*rows):
        return models.problems(*rows, header=header, ladders=ladders["ladders"])

    dtype, step = problems(f"a\tf\tladder\t{where}", sink + "bfloat16\t3")
    assert "line 3, dtype: 'bfloat16'; a planted sink is found to six digits" in dtype
    assert "line 3, step: 3; a sink is planted at the end of a training" in step
    alone = only(problems(sink))
    assert f"line 2, where: {where}+sink, but no row trains {where}; add one" in alone


def test_all_that_is_wrong_with_a_sink_is_said_at_once(models):
    lines = models.problems(
        "a\tf\tladder\ttiny/w96-d2-s0+sink\tfloat16", header=f"{MODEL_HEADER}\tdtype"
    )
    assert lines == sorted(lines) and len(lines) == 4
    for problem in (
        "dtype: 'float16'; a planted sink is found to six digits",
        "where: tiny/w96-d2-s0+sink has 2 blocks; a sink is planted in 3 or more",
        "where: tiny/w96-d2-s0+sink, but no row trains tiny/w96-d2-s0; add one",
        "where: width 96 is not in ladders.tiny.widths [32, 64]",
    ):
        assert sum(f"line 2, {problem}" in line for line in lines) == 1


def test_a_planted_sink_is_in_no_family_of_trained_models(models):
    ladders = configuration.merged({"ladders": {"tiny": LADDER["tiny"] | {"depths": [3]}}})
    trained, where = "a\tf\tladder\ttiny/w32-d3-s0", "tiny/w32-d3-s0+sink"
    two = f"b\tsink\tladder\t{where}", f"c\tsink\tladder\t{where}"
    models.write(trained, *two)
    assert len(models.read(ladders=ladders["ladders"])) == 3
    models.write(trained, two[0], f"c\tf\tladder\t{where}")
    line = only(problems(lambda: models.read(ladders=ladders["ladders"])))
    assert "c, family: 'f' has trained models too; a planted sink is no point of their law" in line


def test_a_ladder_row_of_a_step_that_is_not_kept_is_refused(models):
    header = f"{MODEL_HEADER}\tstep"
    end, step = "m\tf\tladder\ttiny/w32-d1-s0", "c\tf\tladder\ttiny/w32-d1-s0\t5"
    line = only(models.problems(end, step, header=header))
    assert "step: 5; the training keeps 0, 1, 3, 9, 26, 76, 224, 662 (ladders.tiny.ch" in line


def test_a_ladder_row_that_expects_another_count_is_refused(models, config):
    total, _ = ladder_members.parameters(32, 1, config["ladders"]["tiny"]["vocabulary"])
    header = MODEL_HEADER + "\tparams"
    row = "m\tf\tladder\ttiny/w32-d1-s0\t{}"
    models.write(row.format(total + total // 200), header=header)
    assert models.read()[0]["params"] == total + total // 200
    line = only(models.problems(row.format(total + total // 50), header=header))
    assert f"line 2, params: {total + total // 50:,} are expected" in line
    assert f"this shape has {total:,}" in line


def test_a_ladder_model_has_neither_revision_nor_code_nor_a_replicate_but_its_seed(models):
    lines = models.problems(
        "a\tf\tladder\ttiny/w32-d1-s0\tv1\ttrue\t0\tencoder",
        header=f"{MODEL_HEADER}\trevision\ttrust_remote_code\treplicate\tkind",
    )
    assert [line.split(":")[0] for line in lines] == [
        "line 2, kind", "line 2, replicate", "line 2, revision", "line 2, trust_remote_code"
    ]  # fmt: skip


def test_a_model_is_paired_with_another_one_of_the_table(models, directory):
    rows = [f"a\tA\tlocal\t{directory}\tb", f"b\tA\tlocal\t{directory}\t"]
    header = f"{MODEL_HEADER}\tpair_with"
    assert models.write(*rows, header=header).read()[0]["pair_with"] == "b"
    for wrong in ("a", "c"):
        rows[0] = f"a\tA\tlocal\t{directory}\t{wrong}"
        with pytest.raises(InfogeoError, match=f"pair_with: '{wrong}' is no other model .* as b"):
            models.write(*rows, header=header).read()


def test_a_model_is_the_same_as_another_one_that_is_none_itself(models, directory):
    rows = [f"{slug}\tA\tlocal\t{directory}\t{other}"
            for slug, other in (("a", ""), ("b", "a"), ("c", "a"))]  # fmt: skip
    header = f"{MODEL_HEADER}\tsame_as"
    read = models.write(*rows, header=header).read()
    assert [row["same_as"] for row in read] == ["", "a", "a"]
    with pytest.raises(InfogeoError, match="b, same_as: 'a' is itself the same as 'b'"):
        models.write(f"a\tA\tlocal\t{directory}\tb", rows[1], header=header).read()


def test_only_weights_from_the_hub_are_removed_and_none_that_two_rows_read(models, directory):
    header = f"{MODEL_HEADER}\trevision\tsame_as\tkeep_weights"
    hub = "{}\tA\thub\torg/m\t{}\t{}\t{}"
    rows = [hub.format("a", "v1", "", "false"), hub.format("b", "v2", "", "false"),
            hub.format("c", "v3", "", ""), hub.format("d", "v3", "", "true")]  # fmt: skip
    read = models.write(*rows, header=header).read()
    assert [row["keep_weights"] for row in read] == [False, False, True, True]
    rows = [f"l\tA\tlocal\t{directory}\t\t\tfalse", hub.format("a", "v1", "", "false"),
            hub.format("b", "v1", "", ""), hub.format("c", "v2", "a", "true"),
            hub.format("e", "v9", "", "no")]  # fmt: skip
    with pytest.raises(InfogeoError) as error:
        models.write(*rows, header=header).read()
    said = str(error.value)
    assert "line 2, keep_weights: false, but only weights from the hub are removed" in said
    assert "line 4, keep_weights: b and a have the same weights" in said
    assert "line 5, keep_weights: c and a have the same weights" in said
    assert "line 6, keep_weights: " in said


def test_replicates_are_members_of_a_ladder_and_rows_that_say_so(models, directory):
    rows = models.write(
        "a\tf\tladder\ttiny/w32-d1-s1",
        f"b\tf\tlocal\t{directory}\t2",
        f"c\tf\tlocal\t{directory}",
        header=f"{MODEL_HEADER}\treplicate",
    ).read()
    assert [replicates.replicate_of(row) for row in rows] == [("tiny", 1), ("", 2), None]


def test_a_ladder_in_use_must_read_the_longest_text(models):
    ladders = {"tiny": {"context": 64, "widths": [32], "depths": [1], "seeds": [0]}}
    short = configuration.merged({"ladders": ladders})["ladders"]
    line = only(models.problems("a\tf\tladder\ttiny/w32-d1-s0", ladders=short))
    assert "context 64 is shorter than the longest text, 128 tokens" in line


def test_broken_directories_of_local_models_are_named_before_any_work(models, tmp_path, directory):
    (tmp_path / "bare").mkdir()
    (directory / "model.safetensors").write_bytes((9).to_bytes(8, "little") + b"{}")
    lines = models.problems(
        f"a\tf\tlocal\t{tmp_path / 'gone'}",
        f"b\tf\tlocal\t{tmp_path / 'bare'}",
        f"c\tf\tlocal\t{directory}",
    )
    for number, (line, problem) in enumerate(
        zip(lines, ["no such model directory", "no config.json", "truncated"], strict=True), start=2
    ):
        assert line.startswith(f"line {number}, where: {tmp_path}")
        assert problem in line


@pytest.mark.parametrize("where", ["a/b/c", "../a", "a--b/c", "a b", "https://x/a", "/a"])
def test_a_hub_row_names_a_repository_and_asks_no_network(models, corpora, where):
    assert "no repository on the hub" in only(models.problems(f"a\tf\thub\t{where}"))
    header = CORPUS_HEADER + "\tfiles"
    line = only(corpora.problems(f"a\thub\t{where}\tdata/*.parquet", header=header))
    assert "no repository on the hub" in line
    assert models.write("a\tf\thub\tEleutherAI/pythia-14m").read()[0]["revision"] == ""


def test_gguf_and_names_of_repositories_are_told_where_they_do_not_belong(models, corpora):
    lines = models.problems("a\tf\thub\to/r/m-Q4_K_M.gguf", "b\tf\tlocal\tEleutherAI/pythia-14m")
    assert "a GGUF file holds weights as llama.cpp packs them" in lines[0]
    assert "If EleutherAI/pythia-14m is a repository on the Hugging Face hub, set" in lines[1]
    line = only(corpora.problems("a\tlocal\tdatabricks/databricks-dolly-15k"))
    assert "is a repository on the Hugging Face hub, set `source` to hub" in line


def test_a_hub_corpus_names_files_of_texts_and_others_do_not(corpora):
    header = CORPUS_HEADER + "\trevision\tfiles"
    lines = corpora.problems(
        "a\thub\to/r\t\t",
        "b\thub\to/r\t\tdata/*.csv",
        "c\tdocstrings\t\tmain\tx.jsonl",
        header=header,
    )
    assert [line.split(";")[0] for line in lines] == [
        "line 2, files: ''", "line 3, files: 'data/*.csv'",
        "line 4, files: 'x.jsonl'", "line 4, revision: 'main'",
    ]  # fmt: skip
    row = corpora.write("a\thub\to/r\tv1\tdata/*.jsonl.gz", header=header).read()[0]
    assert (row["revision"], row["files"]) == ("v1", "data/*.jsonl.gz")


def test_a_local_corpus_must_exist_and_be_of_a_known_kind(corpora, tmp_path):
    (tmp_path / "texts.csv").touch()
    lines = corpora.problems(
        "a\tlocal\t", f"b\tlocal\t{tmp_path / 'gone.jsonl'}", f"c\tlocal\t{tmp_path / 'texts.csv'}"
    )
    assert "line 2, where: empty" in lines[0]
    assert "gone.jsonl' does not exist" in lines[1]
    assert "neither a folder of .txt files nor a .jsonl or .parquet file" in lines[2]


def test_problems_are_listed_in_the_order_of_their_lines(models):
    lines = models.problems("a\tf\tladder\tno", "b\tf\thub\ta/b/c", "c\tf\tladder\tno")
    assert [int(line.split(",")[0].split()[1]) for line in lines] == [2, 3, 4]


# ---------------------------------------------------------------- settings that texts name
KEYS = "|".join(schemas.read("config")["properties"])
NAMED = re.compile(rf"[`*]((?:{KEYS}): [^`*\n]+)[`*]")


def named_settings():
    """(file, setting) of every setting of the configuration that a document or message names."""
    root = CONFIG.parent
    files = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("*/README.md")]
    files += [*root.glob("rules/*.smk"), root / "Snakefile"]
    for path in files:
        yield from ((path, setting) for setting in NAMED.findall(path.read_text()))
    for path in root.glob("workflow_scripts/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            # The parts of an f-string are joined: what it inserts is no setting.
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", "") for part in node.values]
                text = "".join(part for part in parts if isinstance(part, str))
            else:
                text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str):
                yield from ((path, setting) for setting in NAMED.findall(text))


def test_settings_that_documents_and_messages_name_are_accepted_by_the_configuration():
    settings = [(path, setting) for path, setting in named_settings() if "…" not in setting]
    assert {path.suffix for path, _ in settings} >= {".md", ".py"}
    refused = []
    for path, setting in settings:
        try:
            configuration.merged(yaml.safe_load(setting))
        except InfogeoError as error:
            refused.append(f"{path}: `{setting}`: {error}")
    assert not refused, "\n".join(refused)


# ---------------------------------------------------------------- both tables together
def both(models, corpora, config):
    return {**config, "models": str(models.path), "corpora": str(corpora.path)}


def test_both_tables_are_read_together(models, corpora, config):
    models.write("a\tf\tladder\ttiny/w32-d1-s0")
    corpora.write("docstrings\tdocstrings\t\t0.5", header=f"{CORPUS_HEADER}\ttrain_share")
    config = both(models, corpora, config)
    slugs = [[row["slug"] for row in rows] for rows in input_tables.read(config)]
    assert slugs == [["a"], ["docstrings"]]


def test_the_problems_of_both_tables_are_listed_together(models, corpora, config):
    models.write("a\tf\tweb\tx")
    corpora.write("a\tweb\t")
    lines = problems(input_tables.read, both(models, corpora, config))
    assert [line.split(": line")[0] for line in lines] == [str(models.path), str(corpora.path)]


@pytest.mark.parametrize(
    ("corpus", "problem"),
    [
        ("other\tdocstrings\t\t0.5", "ladders.tiny.corpus: 'docstrings' is not a slug in"),
        (
            "docstrings\tdocstrings\t\t",
            "train_share: 0, but ladders.tiny is trained on this corpus",
        ),
    ],
)
def test_a_ladder_in_use_needs_a_corpus_with_texts_to_train_on(
    models, corpora, config, corpus, problem
):
    models.write("a\tf\tladder\ttiny/w32-d1-s0")
    corpora.write(corpus, header=f"{CORPUS_HEADER}\ttrain_share")
    config = both(models, corpora, config)
    assert problem in only(problems(input_tables.read, config))


def test_a_ladder_that_no_model_uses_needs_no_corpus(models, corpora, config, directory):
    models.write(f"a\tf\tlocal\t{directory}")
    corpora.write("other\tdocstrings\t")
    input_tables.read(both(models, corpora, config))


def test_the_tables_of_the_embedded_default_are_valid(monkeypatch):
    monkeypatch.chdir(CONFIG.parent)
    config = configuration.merged(yaml.safe_load((CONFIG / "config.yaml").read_text()))
    models, corpora = input_tables.read(config)
    assert models
    assert corpora


def test_tables_are_looked_for_in_the_working_directory_and_then_in_the_checkout(
    tmp_path, monkeypatch
):
    checkout, working = tmp_path / "checkout", tmp_path / "working"
    for folder, name in ((checkout, "models.tsv"), (checkout, "p.csv"), (working, "models.tsv")):
        folder.mkdir(exist_ok=True)
        (folder / name).touch()
    monkeypatch.chdir(working)
    config = {"models": "models.tsv", "corpora": "corpora.tsv", "published": ["p.csv", "q.csv"]}
    assert configuration.located(config | {"seed": 3}, checkout) == {
        "models": "models.tsv",  # in both
        "corpora": "corpora.tsv",  # in neither: the message names what the user wrote
        "published": [str(checkout / "p.csv"), "q.csv"],
        "seed": 3,
    }


def test_a_path_of_twins_is_none_of_a_model():
    def model_of(path: str):
        found = re.fullmatch(rf"spectra/({input_tables.SLUG})\.h5", path)
        return found and found[1]

    for slug in ("pythia-1.4b", "pythia-1.4b@143000", "a.b_c-d", "m.untraine"):
        assert model_of(f"spectra/{slug}.h5") == slug
    assert model_of("spectra/m.untrained-0.h5") is None
    assert model_of("spectra/folder/m.h5") is None
