"""Selectors against scikit-learn and planted supports; held-out shares against noise."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import Lasso, OrthogonalMatchingPursuit, lars_path_gram

from infogeo.context.held_out import half_grams
from infogeo.context.least_squares import refit
from infogeo.context.paths import SINKS, lasso, tableau_of
from infogeo.context.selection_tables import SELECTION_COLUMNS, selection_tables
from infogeo.context.selectors import SELECTORS, prepared, supports
from infogeo.files.errors import InfogeoError
from infogeo.states.store import open_store
from infogeo.states.store_writer import create_store

SETTINGS = {
    "ks": [1, 2, 3, 8],
    "lambdas": [0.1],
    "eps2": [0.5],
    "headline_eps2": 0.5,
    "draws": 20,
    "rotations": 2,
    "centred": False,
    "seed": 5,
}


def attention(n, heads=3, seed=0):
    rows = np.random.default_rng(seed).dirichlet(np.ones(n), heads + 1).astype("f4")
    return rows[:-1], rows[-1]


def choose(Z, sizes, sink="free", centred=False):
    return supports(Z, *attention(len(Z)), sizes, sink=sink, centred=centred)


def save(path, Z, lengths=None):
    """A store of texts Z (texts, n, d), all with attention."""
    lengths = [len(text) for text in Z] if lengths is None else lengths
    rows = sum(lengths)
    described = {
        "attrs": {"fingerprint": "abc"},
        "doc_ids": [f"text-{index}" for index in range(len(Z))],
        "sources": [f"module-{index}" for index in range(len(Z))],
        "labels": [""] * len(Z),
        "lengths": lengths,
        "widths": {"final": Z[0].shape[1]},
        "dtype": "float32",
    }
    with create_store(path, **described) as writer:
        ends = np.concatenate([3 * np.arange(1, length + 1) for length in lengths])
        writer.write_tokens(0, token_end_byte=ends)
        writer.write_hidden("final", 0, np.concatenate(Z).astype("f4").reshape(rows, -1))
        pairs = [attention(length, seed=index) for index, length in enumerate(lengths)]
        writer.write_attention(list(range(len(Z))), *map(list, zip(*pairs, strict=True)))
    return path


def tables(path, n, **changed):
    with open_store(path) as states:
        return selection_tables(states, n=n, **(SETTINGS | changed))


def values(table, metric, sink="free"):
    """selector, k → mean over texts."""
    rows = table[(table["metric"] == metric) & (table["sink"] == sink)]
    return rows.groupby(["selector", "k"])["value"].mean()


def states(n, d, seed=0):
    Z = np.random.default_rng(seed).standard_normal((n, d))
    return Z + 0.4 * np.cumsum(Z, axis=0)


def without_first(Z):
    """Unit rows with token 0 projected out."""
    Z = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    return Z[1:] - np.outer(Z[1:] @ Z[0], Z[0])


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize(("n", "d"), [(40, 64), (60, 30)])  # more coordinates than tokens, and less
def test_lasso_supports_are_those_of_the_path_of_scikit_learn(n, d, sink):
    Z = states(n, d)
    X = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    X = {"free": X, "excluded": X[1:], "forced": without_first(Z)}[sink]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gram = X[:-1] @ X[:-1].T
        _, _, path = lars_path_gram(X[:-1] @ X[-1], gram, n_samples=1, method="lasso")
    if n > d:
        assert np.any(np.diff(np.count_nonzero(path, axis=0)) < 1)  # some members leave
    first = {}
    for before, after in zip(path.T[:-1], path.T[1:], strict=True):
        members = np.flatnonzero(before + after)
        first.setdefault(len(members), members)
    sizes = list(range(1, min(n, d) - 3))
    found = choose(Z, sizes, sink)["lasso"]
    for k, support in zip(sizes, found, strict=True):
        np.testing.assert_array_equal(support, first[k] + (sink != "free"))


def test_lasso_weights_solve_the_lasso_at_their_penalty():
    X = prepared(states(30, 50), centred=False)
    task = tableau_of((X @ X.T)[None], "free")
    (support,), weights = lasso(*task, [6])
    residual = X[-1] - weights[0, 0] @ X[:-1]
    penalty = np.abs(X[:-1] @ residual).max()
    fit = Lasso(alpha=penalty / 50, fit_intercept=False, tol=1e-14, max_iter=1_000_000)
    np.testing.assert_allclose(weights[0, 0], fit.fit(X[:-1].T, X[-1]).coef_, atol=1e-9)
    np.testing.assert_array_equal(np.flatnonzero(weights[0, 0]), support[0])


def test_matching_pursuit_is_that_of_scikit_learn():
    X = prepared(states(40, 64), centred=False)
    found = choose(states(40, 64), range(1, 20))["omp"]
    for support in found:
        model = OrthogonalMatchingPursuit(n_nonzero_coefs=len(support), fit_intercept=False)
        fitted = np.flatnonzero(model.fit(X[:-1].T, X[-1]).coef_)
        np.testing.assert_array_equal(np.sort(support), fitted)


@pytest.mark.parametrize("sink", SINKS)
def test_planted_tokens_are_found(sink):
    Z = np.random.default_rng(1).standard_normal((60, 200))
    Z[-1] = Z[[7, 30, 51]].T @ [1.0, -0.8, 1.2] + 0.01 * Z[-1]
    found = choose(Z, [3], sink)
    for selector in ("lasso", "omp"):
        assert sorted(found[selector][0]) == [7, 30, 51]


def test_the_forced_first_token_takes_its_share_before_others_are_chosen():
    Z = np.random.default_rng(1).standard_normal((40, 200))
    Z[5] = Z[0] + 0.05 * Z[5]  # next to what is forced in anyway
    Z[-1] = 3 * Z[0] + Z[20]
    assert choose(Z, [1], "forced")["lasso"][0] == choose(Z, [1], "forced")["omp"][0] == 20
    assert choose(Z, [1], "excluded")["lasso"][0] == 5
    assert choose(Z, [1], "free")["lasso"][0] == 0


def test_an_exact_combination_of_three_is_explained_in_sample_and_held_out(tmp_path):
    Z = np.random.default_rng(2).standard_normal((3, 30, 512))
    Z[:, -1] = Z[:, 4] - Z[:, 11] + 1.5 * Z[:, 20]
    table, _, _ = tables(save(tmp_path / "a.h5", Z), 30)
    for sink in SINKS:
        for metric in ("in_sample", "held_out"):
            found = values(table, metric, sink)
            for selector in ("lasso", "omp"):
                assert found[selector, 3] == pytest.approx(1, abs=1e-6)
            assert found["random", 3] < 0.7


def test_on_noise_lasso_wins_in_sample_but_not_held_out(tmp_path):
    Z = np.random.default_rng(3).standard_normal((16, 40, 64))
    table, _, _ = tables(save(tmp_path / "a.h5", Z), 40)
    wide = table[table["sink"] == "free"].pivot(
        index=["doc_id", "k"], columns=["metric", "selector"], values="value"
    )
    assert (wide["in_sample", "lasso"] > wide["in_sample", "random"] + 0.01).all()
    difference = (wide["held_out", "lasso"] - wide["held_out", "random"]).groupby("k")
    error = difference.std() / np.sqrt(difference.size())
    assert (difference.mean() < 3 * error).all()


@pytest.mark.parametrize("sink", SINKS)
def test_the_share_is_that_of_least_squares_on_the_rows(sink):
    rng = np.random.default_rng(4)
    X = prepared(states(20, 32), centred=False)
    A, B = X[:, :16], X[:, 16:]
    tokens = 1 + rng.permutation(18)[:5]
    tokens[4] = tokens[0]  # a token twice: a singular regression
    for chosen in (tokens[:4], tokens):
        found = refit((A @ A.T)[None], (B @ B.T)[None], tokens[None, None, :4], sink)
        into = [0, *chosen] if sink == "forced" else chosen
        w = np.linalg.lstsq(A[into].T, A[-1])[0]
        for share, half in zip(found, (A, B), strict=True):
            left = np.square(half[-1] - w @ half[into]).sum() / np.square(half[-1]).sum()
            assert share[0, 0] == pytest.approx(1 - left, abs=1e-10)


def test_duplicates_are_fitted_with_the_smallest_coefficients():
    Z = states(12, 40)
    Z[5] = Z[3]
    X = prepared(Z, centred=False)
    gram = (X @ X.T)[None]
    shares = [
        refit(gram, gram, np.array([[chosen]]), "free")[0][0, 0] for chosen in ([3, 5, 8], [3, 8])
    ]
    assert shares[0] == pytest.approx(shares[1], abs=1e-10)


def test_the_two_halves_of_the_coordinates_make_up_the_whole():
    X = prepared(states(10, 33), centred=False)
    halves = half_grams(X[None], 3, seed=1)[0]
    np.testing.assert_allclose(halves[:3] + halves[3:], np.tile(X @ X.T, (3, 1, 1)), atol=1e-12)
    ranks = np.linalg.matrix_rank(half_grams(states(40, 33)[None], 1, 1)[0])
    assert ranks.tolist() == [16, 17]
    more = half_grams(X[None], 4, seed=1)[0]
    np.testing.assert_array_equal(more[:3], halves[:3])


@pytest.mark.parametrize("sink", SINKS)
def test_attention_recency_and_norm_choose_as_they_say(sink):
    n, first = 9, int(sink != "free")
    Z, (last_row, rollout) = states(n, 16), attention(n)
    last_row[1, -1] = 50  # self-attention counts for nothing
    found = supports(Z, last_row, rollout, [0, 3], sink=sink, centred=False)
    weights = last_row[:, first:-1] / last_row[:, first:-1].sum(axis=1, keepdims=True)
    expected = {
        "attention_mean": first + np.argsort(-weights.mean(axis=0))[:3],
        "attention_rollout": first + np.argsort(-rollout[first:-1])[:3],
        "recency": [7, 6, 5],
        "norm": first + np.argsort(-np.linalg.norm(Z[first:-1], axis=1))[:3],
    }
    for selector, tokens in expected.items():
        np.testing.assert_array_equal(found[selector][1], tokens)
    assert set(found) == set(SELECTORS) - {"random"}
    assert all(len(support[0]) == 0 for support in found.values())


def test_the_best_head_is_the_one_that_explains_most():
    Z = states(20, 64)
    Z[-1] = Z[3] + Z[9]
    last_row, rollout = attention(20)
    last_row[2, [3, 9]] = 5
    found = supports(Z, last_row, rollout, [2], sink="free", centred=False)
    assert sorted(found["attention_best_head"][0]) == [3, 9]


def test_without_attention_its_selectors_are_absent():
    found = supports(states(8, 16), None, None, [1], sink="free", centred=False)
    assert set(found) == {"lasso", "omp", "recency", "norm"}


def test_the_order_of_the_coordinates_does_not_matter():
    Z = states(25, 40)
    one, other = choose(Z, [1, 4, 9]), choose(Z[:, ::-1], [1, 4, 9])
    for key, found in one.items():
        for support, again in zip(found, other[key], strict=True):
            np.testing.assert_array_equal(support, again)


def test_centring_makes_a_common_mean_harmless():
    Z = np.random.default_rng(6).standard_normal((30, 100))
    Z[-1] = Z[4] - Z[11] + Z[:-1].mean(axis=0)
    shifted = choose(Z + 100, [2], centred=True)
    assert sorted(shifted["lasso"][0]) == [4, 11]


DEGENERATE = {
    "constant": np.ones((12, 8)),
    "zero": np.zeros((12, 8)),
    "two tokens": states(2, 8),
    "twice each": np.repeat(states(6, 8), 2, axis=0),
    "more tokens than coordinates": states(30, 4),
    "zero rows": states(12, 8) * (np.arange(12) % 3 > 0)[:, None],
}


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_texts_have_whole_supports_of_every_size(name, sink, centred):
    Z = DEGENERATE[name]
    first = int(sink != "free")
    sizes = list(range(len(Z) - first))
    for found in choose(Z, sizes, sink, centred).values():
        for k, support in zip(sizes, found, strict=True):
            assert support.dtype == np.int64
            assert len(support) == len(set(support.tolist())) == k
            assert set(support.tolist()) <= set(range(first, len(Z) - 1))


def test_zero_rows_are_chosen_last():
    Z = DEGENERATE["zero rows"]
    found = choose(Z, [7])
    for selector in ("lasso", "omp", "norm"):
        assert not set(found[selector][0].tolist()) & {0, 3, 6, 9}


def test_texts_without_earlier_tokens_and_sizes_beyond_them_are_refused(tmp_path):
    with pytest.raises(InfogeoError, match="no earlier tokens"):
        choose(states(1, 8), [0])
    with pytest.raises(InfogeoError, match=r"0…3, the number of candidates"):
        choose(states(5, 8), [4], "forced")
    with pytest.raises(InfogeoError, match=r"spectra\.n"):
        tables(save(tmp_path / "a.h5", [states(1, 8)]), 1)


def test_constant_states_explain_each_other_or_have_nothing_to_explain(tmp_path):
    path = save(tmp_path / "a.h5", np.ones((1, 10, 16)))
    for centred, share in ((False, 1), (True, 0)):
        table, _, ridge = tables(path, 10, centred=centred)
        for metric in ("in_sample", "held_out"):
            assert values(table, metric).to_numpy() == pytest.approx(share, abs=1e-9)
        assert np.isfinite(ridge["participation_ratio"]).all()


def test_tables_hold_what_can_be_scored_and_no_more(tmp_path):
    table, _, _ = tables(save(tmp_path / "a.h5", [states(6, 24)]), 6)
    assert list(table.columns) == SELECTION_COLUMNS
    assert not table.duplicated(["doc_id", "selector", "sink", "k", "metric"]).any()
    assert np.isfinite(table["value"]).all()
    assert set(table["selector"]) == set(SELECTORS)
    assert set(table["k"]) == {1, 2, 3}  # 8 is more than d/4 and more than there are
    few = tables(tmp_path / "a.h5", 6, ks=[1, 4, 5])[0].groupby("sink")["k"].unique()
    assert {sink: ks.tolist() for sink, ks in few.items()} == {
        "free": [1, 4, 5], "forced": [1, 4], "excluded": [1, 4],
    }  # fmt: skip
    narrow, tokens, _ = tables(save(tmp_path / "b.h5", [states(6, 3)]), 6)
    assert narrow.empty
    assert tokens["lasso_1"].isna().all()


def test_texts_of_another_length_are_left_out(tmp_path):
    path = save(tmp_path / "a.h5", [states(6, 24), states(8, 24), states(6, 24, seed=1)])
    kept = tables(path, 6)
    none = tables(path, 7)
    for frame, empty in zip(kept, none, strict=True):
        assert set(frame["doc_id"]) == {"text-0", "text-2"}
        assert empty.empty
        assert empty.dtypes.astype(str).to_dict() == frame.dtypes.astype(str).to_dict()


def test_more_texts_change_no_other_text(tmp_path):
    Z = [states(12, 24, seed) for seed in range(3)]
    few = tables(save(tmp_path / "a.h5", Z[:2]), 12)
    many = tables(save(tmp_path / "b.h5", Z), 12)
    for one, other in zip(few, many, strict=True):
        other = other[other["doc_id"] != "text-2"].reset_index(drop=True)
        assert list(one["doc_id"]) == list(other["doc_id"])
        for name in one.select_dtypes("number"):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-12)


def test_ridge_and_token_weights_are_those_of_the_last_token(tmp_path):
    from sklearn.linear_model import Ridge

    Z = states(10, 40).astype("f4")
    _, tokens, ridge = tables(save(tmp_path / "a.h5", [Z]), 10)
    X = Z.astype(float) / np.linalg.norm(Z.astype(float), axis=1, keepdims=True)
    lam = {"lambda=0.1": 0.1, "eps2=0.5": 10 * 0.5 / 40}
    assert dict(zip(ridge["regulariser"], ridge["lam"], strict=True)) == pytest.approx(lam)
    for _, row in ridge.iterrows():
        w = Ridge(alpha=row["lam"], fit_intercept=False).fit(X[:-1].T, X[-1]).coef_
        ratio = np.sum(w**2) ** 2 / np.sum(w**4)
        assert row["participation_ratio"] == pytest.approx(ratio)
        assert row["participation_share"] == pytest.approx(ratio / 9)
        assert row["explained"] == pytest.approx(1 - np.square(X[-1] - w @ X[:-1]).sum())
    np.testing.assert_allclose(tokens["ridge"][:-1], w)
    assert tokens["attention_mean"].sum() == pytest.approx(1)
    assert tokens["attention_rollout"].sum() == pytest.approx(1)
    assert np.count_nonzero(tokens["lasso_3"][:-1]) == 3
    assert tokens.iloc[-1][["ridge", "attention_mean", "lasso_1"]].isna().all()
    assert tokens["position"].tolist() == list(range(10))
    assert tokens["token_start_byte"].tolist() == list(range(0, 30, 3))
    assert tokens["token_end_byte"].tolist() == list(range(3, 33, 3))


def test_states_that_are_not_finite_name_the_text(tmp_path):
    Z = states(6, 24)
    Z[2, 1] = np.inf
    with pytest.raises(InfogeoError, match="text 'text-0', layer final: token 2"):
        tables(save(tmp_path / "a.h5", [Z]), 6)
