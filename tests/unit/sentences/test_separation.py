"""Scores of distances against labels: other implementations, sources kept apart, intervals."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, silhouette_samples, silhouette_score

from infogeo.files.errors import InfogeoError
from infogeo.sentences.judged_texts import MIN_SOURCES
from infogeo.sentences.scores import SCORES, hits, nearest, silhouettes, weighted_auc
from infogeo.sentences.separation import Separation

AUC, SILHOUETTE, PURITY, FIRST, FIFTH = range(len(SCORES))


def data(labels=3, per_label=12, *, sources=None, shift=1.0, spread=0.0, seed=0, digits=None):
    """Distances, labels, sources; sources: how many each label has (none: a text each).

    With digits, distances are rounded, so that there are ties.
    """
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(labels), per_label)
    source = np.arange(len(label))
    if sources:
        source = label * sources + np.tile(np.arange(per_label) % sources, labels)
    points = shift * rng.standard_normal((labels, 4))[label] + rng.standard_normal((len(label), 4))
    points += spread * rng.standard_normal((source.max() + 1, 4))[source]
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    order = rng.permutation(len(label))  # not sorted by label
    distance = distance[np.ix_(order, order)]
    if digits is not None:
        distance = distance.round(digits)
    return distance, [f"l{x}" for x in label[order]], [f"s{x}" for x in source[order]]


def separation(labels, sources, neighbours=5, permutations=99, seed=0):
    return Separation(labels, sources, neighbours=neighbours, permutations=permutations, seed=seed)


def by_hand(distance, labels, sources, neighbours):
    """Every score by a loop over texts and pairs; ties in the last place not allowed."""
    labels, sources = np.array(labels), np.array(sources)
    ks = (neighbours, 1, 5)
    same, other, widths, hits = [], [], [], []
    for i in range(len(labels)):
        counted = sources != sources[i]
        own = counted & (labels == labels[i])
        for j in range(i):
            if counted[j]:
                (same if own[j] else other).append(distance[i, j])
        if not own.any():
            continue
        a = distance[i, own].mean()
        b = min(distance[i, counted & (labels == x)].mean() for x in set(labels) - {labels[i]})
        widths.append((b - a) / max(a, b))
        order = [j for j in np.argsort(distance[i]) if counted[j]]
        hits.append([np.mean([labels[j] == labels[i] for j in order[:k]]) for k in ks])
    same, other = np.array(same)[:, None], np.array(other)
    auc = ((same < other) + 0.5 * (same == other)).mean()
    return [auc, np.mean(widths), *np.mean(hits, axis=0)]


# ---------------------------------------------------------------- the scores


@pytest.mark.parametrize("digits", [None, 1, 0])
def test_auc_is_scikit_learns(digits):
    distance, labels, sources = data(digits=digits)
    upper = np.triu_indices(len(labels), 1)
    same = (np.array(labels)[:, None] == np.array(labels))[upper]
    expected = roc_auc_score(same, -distance[upper])
    assert separation(labels, sources).values(distance)[AUC] == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("digits", [None, 0])
def test_weighted_auc_is_scikit_learns_and_that_of_the_replicated_set(digits):
    distance, labels, sources = data(sources=4, digits=digits)
    times = np.random.default_rng(1).multinomial(12, np.full(12, 1 / 12))  # of each source
    judge = separation(labels, sources)
    weights = times[judge.texts.sources].astype(float)
    found = weighted_auc(*judge.sorted_pairs(distance), weights)

    label, source = np.array(labels), np.array(sources)
    i, j = np.triu_indices(len(labels), 1)
    apart = source[i] != source[j]
    i, j = i[apart], j[apart]
    pairs = label[i] == label[j], -distance[i, j], weights[i] * weights[j]
    assert found == pytest.approx(roc_auc_score(pairs[0], pairs[1], sample_weight=pairs[2]))

    copies = np.repeat(np.arange(len(labels)), weights.astype(int))
    replicated = separation(label[copies], source[copies])  # copies keep their source
    expected = replicated.values(distance[np.ix_(copies, copies)])[AUC]
    assert found == pytest.approx(expected, abs=1e-13)


def test_silhouette_is_scikit_learns_where_each_text_is_its_own_source():
    distance, labels, sources = data(shift=0.5)
    expected = silhouette_score(distance, labels, metric="precomputed")
    found = separation(labels, sources).values(distance)[SILHOUETTE]
    assert found == pytest.approx(expected, abs=1e-13)


def test_silhouettes_without_any_distance_are_0_and_without_a_label_not_there():
    sums = np.array([[0.0, 0.0, 3.0], [0.0, 0.0, 3.0], [2.0, 4.0, 0.0]])
    counts = np.array([[2, 1, 2], [0, 1, 2], [1, 1, 0]])
    found = silhouettes(sums, counts, np.array([0, 0, 0]))
    np.testing.assert_array_equal(found, [0, np.nan, 0.5])
    zero = np.zeros((4, 4))
    assert silhouette_samples(zero, [0, 0, 1, 1], metric="precomputed").tolist() == [0] * 4


@pytest.mark.parametrize("sources", [None, 4])
def test_every_score_is_that_of_a_loop_over_texts(sources):
    distance, labels, sources = data(sources=sources, shift=0.7, spread=0.5)
    found = separation(labels, sources, neighbours=7).values(distance)
    np.testing.assert_allclose(found, by_hand(distance, labels, sources, 7), atol=1e-13)


def test_pairs_of_one_source_never_count():
    distance, labels, sources = data(sources=4, spread=1.0)
    judge = separation(labels, sources)
    together = judge.texts.sources[:, None] == judge.texts.sources
    for other in (0.0, 1e9):
        changed = np.where(together, other, distance)
        np.testing.assert_array_equal(judge.values(changed), judge.values(distance))
        np.testing.assert_array_equal(
            judge.permutations.scores(changed), judge.permutations.scores(distance)
        )
        np.testing.assert_array_equal(judge.influence(changed), judge.influence(distance))


def test_texts_at_the_distance_of_the_last_place_share_it():
    away = np.array([[np.inf, 1.0, 2.0, 2.0, 2.0, 3.0]])
    found = nearest(away, [1, 2, 3, 4])[:, 0]
    np.testing.assert_allclose(found[0], [0, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(found[1], np.array([0, 1, 1 / 3, 1 / 3, 1 / 3, 0]) / 2)
    np.testing.assert_allclose(found[2], np.array([0, 1, 2 / 3, 2 / 3, 2 / 3, 0]) / 3)
    np.testing.assert_allclose(found[3], np.array([0, 1, 1, 1, 1, 0]) / 4)


def test_hits_are_the_weights_of_the_nearest_that_are_ones_own():
    rng = np.random.default_rng(5)
    away, own, ks = (
        rng.integers(0, 6, (40, 17)).astype(float),
        rng.random((40, 17)) < 0.3,
        [7, 1, 5],
    )
    away[:, ::8] = np.inf
    np.testing.assert_allclose(hits(away, own, ks), (nearest(away, ks) * own).sum(-1), atol=1e-15)


def test_scores_do_not_depend_on_the_order_of_texts_even_with_ties():
    distance, labels, sources = data(sources=4, digits=0)
    order = np.random.default_rng(2).permutation(len(labels))
    other = separation(np.array(labels)[order], np.array(sources)[order])
    np.testing.assert_allclose(
        separation(labels, sources).values(distance),
        other.values(distance[np.ix_(order, order)]),
        atol=1e-13,
    )


def test_separated_labels_score_1_and_equal_distances_score_by_chance():
    _, labels, sources = data(sources=4)
    judge = separation(labels, sources, neighbours=5)
    apart = (np.array(labels)[:, None] != np.array(labels)).astype(float)
    np.testing.assert_allclose(judge.values(apart), 1)
    # 9 of the 33 texts of other sources are of the own label
    equal = judge.values(np.ones_like(apart))
    np.testing.assert_allclose(equal, [0.5, 0, 9 / 33, 9 / 33, 9 / 33], atol=1e-13)


# ---------------------------------------------------------------- without a source


@pytest.mark.parametrize(("digits", "many"), [(None, 4), (0, 4), (None, 2)])
def test_scores_without_a_source_are_those_of_the_other_texts(digits, many):
    distance, labels, sources = data(labels=4, sources=many, spread=0.5, digits=digits)
    judge = separation(labels, sources)
    found = judge.without_each_source(distance)
    for source in range(len(judge.texts.members)):
        rest = judge.texts.sources != source
        fewer = distance[np.ix_(rest, rest)]
        if many > 2:
            smaller = separation(np.array(labels)[rest], np.array(sources)[rest])
            expected = smaller.values(fewer)
            np.testing.assert_allclose(found[source], expected, atol=1e-13)
        else:  # what is left of the label is no query, but a neighbour and a rival
            expected = by_hand(fewer, judge.texts.labels[rest], judge.texts.sources[rest], 5)
            np.testing.assert_allclose(found[source], expected, atol=1e-13)


def test_influence_is_the_stratified_jackknife_and_adds_up():
    distance, labels, sources = data(sources=6, spread=0.5)
    judge = separation(labels, sources)
    left_out, influence = judge.without_each_source(distance), judge.influence(distance)
    variance = 0.0
    for label in range(3):
        own = left_out[judge.texts.strata == label]
        assert len(own) == 6
        variance += 5 / 6 * ((own - own.mean(axis=0)) ** 2).sum(axis=0)
        np.testing.assert_allclose(
            influence[judge.texts.strata == label].sum(axis=0), 0, atol=1e-13
        )
    np.testing.assert_allclose((influence**2).sum(axis=0), variance)
    assert judge.texts.df == 18 - 3
    low, high = judge.interval(judge.values(distance), influence)
    half = stats.t.ppf(0.975, 15) * np.sqrt(variance)
    np.testing.assert_allclose(high - low, 2 * half)
    np.testing.assert_allclose((low + high) / 2, judge.values(distance))


def test_resampled_shifts_have_the_jackknifes_variance_and_are_paired():
    distance, labels, sources = data(sources=6, spread=0.5)
    judge = separation(labels, sources)
    influence = judge.influence(distance)
    shifts = judge.shifts(influence, draws=20_000, seed=1)
    assert shifts.shape == (20_000, len(SCORES))
    np.testing.assert_allclose(shifts.std(0), np.sqrt((influence**2).sum(0)), rtol=0.03)
    np.testing.assert_allclose(shifts.mean(0), 0, atol=0.03 * shifts.std(0).max())
    again = judge.shifts(2 * influence[:, None], draws=20_000, seed=1)
    np.testing.assert_allclose(again[:, 0], 2 * shifts, atol=1e-15)


def test_a_difference_on_the_same_texts_is_known_better_than_from_two_sets():
    distance, labels, sources = data(labels=6, sources=6, spread=1.0, shift=0.5)
    noise = np.random.default_rng(3).normal(0, 0.1, distance.shape)
    judge = separation(labels, sources)
    one, other = judge.influence(distance), judge.influence(distance + noise + noise.T)
    paired = np.sqrt(((one - other) ** 2).sum(0))
    unpaired = np.sqrt((one**2).sum(0) + (other**2).sum(0))
    assert paired[AUC] < unpaired[AUC] / 3


def test_strata_are_labels_and_small_or_mixed_ones_are_pooled():
    held = {"a": 5, "b": 4, "c": 3, "d": 7}
    labels = [label for label, count in held.items() for _ in range(3 * count)]
    sources = [f"{label}{i}" for label, count in held.items() for i in range(count) for _ in "123"]
    judge = separation(labels, sources)
    label_of = judge.texts.labels[[texts[0] for texts in judge.texts.members]]
    # c is too small alone, b has the fewest sources of the others
    expected = np.where(np.isin(label_of, [1, 2]), -1, label_of)
    np.testing.assert_array_equal(judge.texts.strata, expected)
    assert judge.texts.df == 19 - 3
    mixed = separation([*labels, "d"], [*sources, "a0"])  # a0 has texts of a and d
    assert mixed.texts.strata[mixed.texts.sources[0]] == -1
    assert all(
        np.bincount(mixed.texts.strata + 1)[np.unique(mixed.texts.strata + 1)] >= MIN_SOURCES
    )


# ---------------------------------------------------------------- permutations


def test_permuted_scores_are_those_of_the_permuted_labels():
    distance, labels, sources = data(sources=4, digits=1)
    judge = separation(labels, sources, permutations=20)
    found = judge.permutations.scores(distance)
    assert found.shape == (21, len(SCORES))
    np.testing.assert_allclose(found[0], judge.values(distance), atol=1e-13)
    for row, labelling in zip(found, judge.permutations.labellings, strict=True):
        other = separation([str(x) for x in labelling], sources)
        np.testing.assert_allclose(row, other.values(distance), atol=1e-13)


def test_sources_keep_their_texts_together_and_exchange_their_labels():
    sources = np.repeat(np.arange(8), [1, 2, 3, 4, 2, 2, 3, 3])
    labels = np.repeat(list("aaaabbbb"), [1, 2, 3, 4, 2, 2, 3, 3])
    judge = separation(labels, sources, permutations=200)
    permuted = judge.permutations.labellings[1:]
    firsts = permuted[:, [texts[0] for texts in judge.texts.members]]  # (permutations, sources)
    for texts, first in zip(judge.texts.members, firsts.T, strict=True):
        assert (permuted[:, texts] == first[:, None]).all()
    assert (firsts[:, [0, 3]] == 0).all()  # no other source has 1, or 4 to 7, texts
    alike = firsts[:, [1, 2, 4, 5, 6, 7]]  # of 2 or 3 texts
    assert (alike.sum(axis=1) == 4).all()
    np.testing.assert_allclose(alike.mean(axis=0), 4 / 6, atol=0.12)
    np.testing.assert_array_equal(
        judge.permutations.labellings,
        separation(labels, sources, permutations=200).permutations.labellings,
    )


def test_a_source_of_several_labels_gives_all_of_them_in_random_order():
    sources = np.repeat(np.arange(6), 4)
    labels = np.tile(list("abcc"), 6)
    judge = separation(labels, sources, permutations=300)
    permuted = judge.permutations.labellings[1:].reshape(300, 6, 4)
    assert (np.sort(permuted, axis=-1) == [0, 1, 2, 2]).all()
    assert (permuted[:, :, 0] == 2).mean() == pytest.approx(0.5, abs=0.04)


def test_p_is_uniform_where_labels_mean_nothing_and_small_where_they_do():
    found = []
    for seed in range(120):
        distance, labels, sources = data(
            labels=3, per_label=8, sources=4, shift=0, spread=1.0, seed=seed
        )
        judge = separation(labels, sources, permutations=99, seed=seed)
        found.append(judge.judge(distance).p)
    found = np.array(found)
    for score in (AUC, SILHOUETTE, PURITY):
        assert stats.kstest(found[:, score], "uniform").pvalue > 0.005
    assert found.min() >= 0.01
    planted = data(labels=3, per_label=12, sources=6, shift=2.0)
    np.testing.assert_allclose(separation(*planted[1:]).judge(planted[0]).p, 0.01)


def test_permuted_labels_keep_about_their_numbers_of_texts():
    labels = np.repeat(np.arange(4), 24)
    held = np.concatenate([np.arange(24) % count for count in (2, 3, 24, 24)])
    judge = separation(labels, [f"{label} {i}" for label, i in zip(labels, held, strict=True)])
    permuted = judge.permutations.labellings[1:]
    counts = (permuted[..., None] == np.arange(4)).sum(axis=1)  # (permutations, labels)
    assert 12 <= counts.min() < counts.max() <= 48
    assert (permuted != labels).mean() > 0.3


def test_p_counts_the_observed_labelling_and_chance_is_the_mean_of_the_others():
    distance, labels, sources = data(sources=4, shift=0.3)
    judge = separation(labels, sources, permutations=49)
    judged, permuted = judge.judge(distance), judge.permutations.scores(distance)[1:]
    atleast = (permuted >= judged.values - 1e-12).sum(axis=0)
    np.testing.assert_allclose(judged.p, (1 + atleast) / 50)
    np.testing.assert_allclose(judged.chance, permuted.mean(axis=0))
    np.testing.assert_allclose(judged.chance, [0.5, -0.05, 9 / 33, 9 / 33, 9 / 33], atol=0.06)
    equal = judge.judge(np.ones_like(distance))
    np.testing.assert_allclose(equal.p, 1)  # nothing is separated by equal distances


# ---------------------------------------------------------------- bad input


def test_a_label_of_a_single_source_is_left_out_and_counted():
    distance, labels, sources = data(sources=4)
    lonely = [*labels, "x", "x"], [*sources, "sx", "sx"]
    wider = np.pad(distance, (0, 2), constant_values=0.1)
    judge = separation(*lonely)
    assert judge.texts.left_out == 2
    np.testing.assert_array_equal(judge.texts.index, np.arange(len(labels)))
    np.testing.assert_array_equal(judge.values(wider), separation(labels, sources).values(distance))


@pytest.mark.parametrize("labels", [["a"] * 12, ["a"] * 11 + ["b"], []])
def test_fewer_than_two_labels_that_can_be_judged(labels):
    with pytest.raises(InfogeoError, match="two labels with texts of two sources"):
        separation(labels, [f"s{i}" for i in range(len(labels))])


def test_too_few_texts_for_the_neighbours():
    _, labels, sources = data(labels=2, per_label=6)
    separation(labels, sources, neighbours=10)  # 12 texts: 10 beside any two
    with pytest.raises(InfogeoError, match=r"12 texts of 12 sources.*11 texts beside any two"):
        separation(labels, sources, neighbours=11)
    with pytest.raises(InfogeoError, match="5 texts beside any two"):
        separation(list("aabbab"), list("123456"), neighbours=1)


def test_distances_that_are_not_finite_or_of_another_set():
    distance, labels, sources = data(sources=4)
    judge = separation(labels, sources)
    with pytest.raises(InfogeoError, match=r"shape \(35, 35\) for 36 texts"):
        judge.values(distance[1:, 1:])
    distance[3, 7] = np.nan
    for method in (judge.values, judge.influence, judge.permutations.scores):
        with pytest.raises(InfogeoError, match=r"texts 3 and 7.*is nan"):
            method(distance)
