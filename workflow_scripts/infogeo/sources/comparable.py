"""Which models may be compared: those of one dtype and one tokenizer."""


def mixed_dtypes(models: list[dict]) -> str:
    """Why models of several dtypes are not compared, or "".

    Parameters
    ----------
    models : list of dict
        dtype.
    """
    dtypes = sorted({model["dtype"] for model in models})
    if len(dtypes) < 2:
        return ""
    return f"models of different dtypes ({', '.join(dtypes)}) are not compared"


def mixed_tokenizers(models: list[dict]) -> bool:
    """Whether models have different tokenizers.

    Parameters
    ----------
    models : list of dict
        tokenizer_sha256.
    """
    return len({model["tokenizer_sha256"] for model in models}) > 1
