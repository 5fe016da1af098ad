"""The configuration: checked with all problems at once, and completed.

The Snakefile imports this module, so it needs nothing beyond PyYAML and jsonschema.
"""

from pathlib import Path

from infogeo.files.errors import stop_at
from infogeo.geometry import metrics
from infogeo.planning import schemas


def merged(config: dict) -> dict:
    """The complete configuration: what the user set, checked, and the defaults of the schema.

    Parameters
    ----------
    config : dict
        As Snakemake hands it over, after --configfile and --config. Not changed.

    Returns
    -------
    dict
        With every key of the schema; numbers have the schema's type, relative depths are strings.

    Raises
    ------
    InfogeoError
        Listing every unknown key, wrong type, value out of bounds and contradiction.
    """
    schema = schemas.read("config")
    complete = schemas.coerced(config, schema)
    problems = schemas.problems(complete, schema)
    if not problems:
        complete = schemas.filled(complete, schema)
        problems = _contradictions(complete)
    stop_at(problems, "The configuration (config/config.yaml and what overrides it)")
    return complete


def located(config: dict, checkout: Path) -> dict:
    """A configuration whose tables are found from any working directory.

    Parameters
    ----------
    config : dict
        Complete.
    checkout : Path
        The folder of the Snakefile. A table that is not in the working directory, but is there, is
        taken from there: so the built-in example runs everywhere.
    """

    def place(path: str) -> str:
        embedded = checkout / path
        return path if Path(path).exists() or not embedded.exists() else str(embedded)

    tables = {name: place(config[name]) for name in ("models", "corpora")}
    return config | tables | {"published": [place(path) for path in config["published"]]}


def _contradictions(config: dict) -> list[str]:
    """What each key allows alone but not together with others."""
    headline, scaling = config["headline"], config["scaling"]
    longest = max(config["spectra"]["n"])
    problems = [
        f"headline.{key}: {headline[key]} is not in {name} {allowed}; add it or choose another"
        for key, name, allowed in (
            ("n", "spectra.n", config["spectra"]["n"]),
            ("eps2", "entropy.eps2", config["entropy"]["eps2"]),
            ("depth", "scaling.depths", scaling["depths"]),
            ("depth", "sentences.depths", config["sentences"]["depths"]),
            ("axis", "scaling.axes", scaling["axes"]),
        )
        if headline[key] not in allowed
    ]
    for index, (metric, convention) in enumerate(headline["metrics"]):
        allowed = metrics.conventions(metric)
        if convention not in allowed:
            problems.append(
                f"headline.metrics[{index}]: {metric} has the convention(s) "
                f"{', '.join(map(repr, allowed))}, not {convention!r}"
            )
    problems += [
        f"states.{key}: {config['states'][key]} is less than the longest text, {longest} tokens "
        f"(spectra.n); raise it to at least {longest}"
        for key in ("batch_tokens", "shard_tokens")
        if config["states"][key] < longest
    ]
    problems += [
        f"{section}.{key}: two values agree to six digits, by which metrics are named"
        for section, key, kind in (
            ("entropy", "eps2", metrics.EPS2),
            ("context", "lambdas", metrics.LAMBDA),
            ("entropy", "orders", metrics.ORDER),
        )
        if len({str(metrics.Regulariser(kind, value)) for value in config[section][key]})
        < len(config[section][key])
    ]
    if config["sentences"]["n"] > longest:
        problems.append(
            f"sentences.n: {config['sentences']['n']} is more than the longest text that is "
            f"stored, {longest} tokens (spectra.n); lower it or raise spectra.n"
        )
    return [
        *problems,
        *_theory_problems(config["theory"]),
        *_uncovered_depths(config),
        *(line for item in config["ladders"].items() for line in _ladder_problems(*item)),
    ]


def _theory_problems(theory: dict) -> list[str]:
    kinds = ("true_probabilities", "background_probabilities")
    problems = [
        f"theory.{key}: sums to {sum(theory[key]):g}, not to 1"
        for key in kinds
        if abs(sum(theory[key]) - 1) > 1e-9
    ]
    if len(theory[kinds[0]]) != len(theory[kinds[1]]):
        problems.append(
            f"theory.{kinds[1]}: {len(theory[kinds[1]])} values, but {kinds[0]} has "
            f"{len(theory[kinds[0]])}; both are over the same tokens"
        )
    return problems


def _ladder_problems(name: str, ladder: dict) -> list[str]:
    problems = [
        f"ladders.{name}.widths: {width} is not a multiple of head_width {ladder['head_width']}"
        for width in ladder["widths"]
        if width % ladder["head_width"]
    ]
    step = ladder["batch"] * ladder["context"]
    if ladder["tokens"] < step:
        problems.append(
            f"ladders.{name}.tokens: {ladder['tokens']} is less than one step, batch × "
            f"context = {step} tokens; raise tokens or lower batch"
        )
    return problems


def _uncovered_depths(config: dict) -> list[str]:
    """Depths that are to be compared but of which no layer is stored."""
    layers = config["states"]["layers"]
    if layers == "all":
        return []
    problems = [
        f"{section}.depths: {depth} is compared but not stored; add it to states.layers {layers}"
        for section in ("scaling", "sentences")
        for depth in config[section]["depths"]
        if depth not in layers
    ]
    if "final" not in [*layers, *config["scaling"]["depths"]]:
        problems.append(
            f"states.layers: {layers} lacks final, the layer of the context study; add it"
        )
    return problems
