"""The costliest work of a plan, and the keys of the configuration that bring it down."""

from infogeo.jobs.progress import duration

TEXTS = "texts of the corpora"
LESS_MEMORY = {
    "dump_hidden_states": "states.batch_tokens, states.shard_tokens, states.layers",
    "measure_states": "states.batch_tokens, states.layers, spectra.n",
    "untrained_twins": "states.batch_tokens, states.layers, spectra.n",
    "shuffled_words": "states.batch_tokens, states.shard_tokens",
    "untrained_sentences": "states.batch_tokens, sentences.texts_per_label, sentences.depths",
    "sentence_geometry": "sentences.texts_per_label, sentences.depths, sentences.n",
    "layer_similarity": "similarity.texts, states.layers",
    "token_ablation": "states.batch_tokens",
    "compute_spectra": f"spectra.n, {TEXTS}",
    "information_gain": f"context.lambdas, spectra.n, {TEXTS}",
    "intrinsic_dimension": "dimension.rows, scaling.draws",
    "compute_entropy": f"entropy.eps2, context.lambdas, {TEXTS}",
    "untrained_entropy": f"entropy.eps2, context.lambdas, {TEXTS}",
}
LESS_TIME = {
    "dump": f"spectra.n, {TEXTS}",
    "spectra": f"states.layers, spectra.n, {TEXTS}",
    "gains": f"states.layers, scaling.draws, {TEXTS}",
    "dimensions": "dimension.rows, scaling.draws, states.layers",
    "shuffled": f"controls.shuffled, {TEXTS}",
    "twins": f"controls.untrained_draws, states.layers, {TEXTS}",
    "ablation": "context.shares, context.ablation_draws, states.attention_texts",
    "entropy": f"controls.untrained_draws, states.layers, {TEXTS}",
    "training": "tokens of the ladders, and fewer of their models",
}


def notes(rows: list[dict], works: dict[str, str], human) -> list[str]:
    """Which job takes most memory, which rule most time, and what brings them down.

    Parameters
    ----------
    rows : list of dict
        Of the plan.
    works : dict
        Work → the rule that does it.
    human : callable
        Writes a number of bytes with its unit.
    """
    lines = []
    known = [row for row in rows if row["memory_bytes"] is not None]
    if known:
        row = max(known, key=lambda row: row["memory_bytes"])
        lines += [
            f"Memory is that of the costliest job. Most: {row['memory_rule']} of {row['model']}, "
            f"{human(row['memory_bytes'], 'B')};",
            f"less with {LESS_MEMORY[row['memory_rule']]}.",
        ]
    hours = {work: _hours(rows, work) for work in works}
    if any(hours.values()):
        work = max(hours, key=hours.get)
        spent, whole = (duration(3600 * value) for value in (hours[work], sum(hours.values())))
        lines += [
            f"Most time: {works[work]}, {spent} of {whole};",
            f"less with {LESS_TIME[work]}.",
        ]
    return lines


def _hours(rows: list[dict], work: str) -> float:
    """Of all rows, as far as known; a model is trained once, whatever the number of corpora."""
    hours = [(row["model"], row[f"{work}_hours"] or 0) for row in rows]
    return sum(dict(hours).values()) if work == "training" else sum(value for _, value in hours)
