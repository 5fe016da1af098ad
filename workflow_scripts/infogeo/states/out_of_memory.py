"""What happens where memory does not suffice for a batch: it is run in halves."""

import torch

from infogeo.files.errors import InfogeoError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory, of the machine or the GPU, did not suffice."""
    phrases = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in phrases)
    )


def run_halving_on_oom(model, run, batch, tokens_of, name_of) -> int:
    """Call run(batch), or run on its halves where memory does not suffice for the whole.

    A batch that did not fit is reported, and its size remembered: later ones of as many tokens are
    halved at once.

    Parameters
    ----------
    model : LanguageModel
        Its `oom_tokens` is lowered to the size of a batch that did not fit.
    run : callable
        Called with the batch, or with parts of it.
    batch : sequence
    tokens_of : callable
        Number of tokens of a part of the batch, padding included.
    name_of : callable
        Names an item of the batch, for messages.

    Returns
    -------
    int
        How often a part was halved.

    Raises
    ------
    InfogeoError
        Where memory does not suffice for one item.
    """
    if len(batch) == 1 or tokens_of(batch) < model.oom_tokens:
        try:
            run(batch)
            return 0
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise InfogeoError(
                    f"{name_of(batch[0])}: memory does not suffice for a forward pass over this "
                    f"text alone ({error}). Lower n, or give the job more memory."
                ) from error
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        model.oom_tokens = tokens_of(batch)
        print(
            f"{model.name}: memory does not suffice for a batch of {model.oom_tokens:,} tokens; "
            "batches of so many are run in halves from here on",
            flush=True,
        )
    middle = len(batch) // 2
    halves = batch[:middle], batch[middle:]
    return 1 + sum(run_halving_on_oom(model, run, half, tokens_of, name_of) for half in halves)
