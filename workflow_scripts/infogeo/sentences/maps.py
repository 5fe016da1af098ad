"""Maps of texts: their mean embeddings in two dimensions, by PCA and by UMAP."""

import numpy as np

from infogeo.files.errors import InfogeoError

COLUMNS = ["model", "depth", "doc_id", "label", "source", "pca_1", "umap_1", "explained_1", "pca_2",
           "umap_2", "explained_2"]  # fmt: skip
LEAST = 4  # texts: UMAP starts from eigenvectors, of which fewer texts do not have enough


def pca(means, components: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of mean embeddings.

    Parameters
    ----------
    means : (m, d) array
        Finite.
    components : int
        At most min(m, d).

    Returns
    -------
    coordinates : (m, components) float64 array
        The largest loading of each component is positive, so that signs repeat.
    explained : (components,) float64 array
        Shares of the variance; 0 where all means are equal.

    Raises
    ------
    InfogeoError
        Where there are fewer texts or dimensions than components.

    Notes
    -----
    Verified against scikit-learn's PCA, signs included.
    """
    means = np.asarray(means, np.float64)
    if min(means.shape) < components:
        raise InfogeoError(
            f"PCA: {components} components are wanted of {means.shape[0]} texts in "
            f"{means.shape[1]} dimensions. Give more texts."
        )
    U, s, Vt = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    U, s, Vt, variance = U[:, :components], s[:components], Vt[:components], (s**2).sum()
    largest = np.abs(Vt).argmax(axis=1)
    signs = np.sign(Vt[np.arange(components), largest])
    return U * s * signs, s**2 / (variance if variance > 0 else 1.0)


def umap(means, *, neighbours: int, seed: int) -> np.ndarray:
    """Texts in two dimensions such that near ones stay near (McInnes et al. 2018, 1802.03426).

    Near is the cosine of the mean embeddings. Only who is near whom can be read from the map:
    distances between groups, their sizes and the axes mean nothing.

    Parameters
    ----------
    means : (m, d) array
        Mean embeddings, finite.
    neighbours : int
        Texts that count as near, the text itself among them; of fewer texts all but one.
    seed : int

    Returns
    -------
    (m, 2) float32 array

    Raises
    ------
    InfogeoError
        Where there are fewer than 4 texts.

    Notes
    -----
    One thread, seeded. Verified against itself, bit for bit, in another process.
    """
    from umap import UMAP  # ten seconds to start

    means = np.asarray(means, np.float32)
    if len(means) < LEAST:
        raise InfogeoError(
            f"UMAP: {len(means)} text(s), and {LEAST} are needed. Give more texts, or a larger "
            "sentences.texts_per_label."
        )
    reducer = UMAP(
        n_neighbors=min(neighbours, len(means) - 1),
        metric="cosine",
        random_state=seed,
        n_jobs=1,
    )
    return reducer.fit_transform(means)


def maps(model: str, sentences, *, neighbours: int, seed: int):
    """The maps of a trained model, at every depth.

    Parameters
    ----------
    model : str
        Its name.
    sentences : infogeo.sentences.file.Sentences
        Of one draw, as a trained model's are.
    neighbours, seed : int
        As in `umap`.

    Returns
    -------
    pandas.DataFrame
        A row per depth and text: model, depth, doc_id, label, source; pca_1, pca_2, umap_1, umap_2
        (float64); explained_1, explained_2 (the shares of variance of the two principal components,
        the same in all rows of a depth). None of fewer than 4 texts.
    """
    import pandas as pd

    if len(sentences.doc_ids) < LEAST:
        return pd.DataFrame(columns=COLUMNS)
    frames = []
    for (_, depth), means in sentences.means.items():
        principal, explained = pca(means, components=2)  # (m, 2), (2,)
        near = umap(means, neighbours=neighbours, seed=seed)  # (m, 2)
        frame = {
            "model": model,
            "depth": depth,
            "doc_id": sentences.doc_ids,
            "label": sentences.labels,
            "source": sentences.sources,
        }
        for i in (0, 1):
            frame[f"pca_{i + 1}"] = principal[:, i]
            frame[f"umap_{i + 1}"] = near[:, i].astype(np.float64)
            frame[f"explained_{i + 1}"] = explained[i]
        frames.append(pd.DataFrame(frame))
    return pd.concat(frames, ignore_index=True)
