"""The parameters of a rule, stated once: for its `params`, and for a fingerprint."""

import inspect

from infogeo.files.fingerprint import digest


def with_signature(function, bound: bool = False):
    """The function, its parameters where Snakemake looks first (`common.get_function_params`).

    It asks for those of each function of a rule four times for each job, and finding them takes
    longer than most of these functions do.

    Parameters
    ----------
    function : callable
    bound : bool
        Whether it is asked of the method of an object, which takes one parameter less.

    Notes
    -----
    Verified against what Snakemake finds without it.
    """
    parameters = dict(inspect.signature(function).parameters)
    if bound:
        del parameters[next(iter(parameters))]
    function._overwrite_params = parameters
    return function


class Recipe:
    """From what a rule makes its artefacts.

    Parameters
    ----------
    *wildcards : str
        Names of the rule's wildcards.
    **stated
        The parameters by name: plain values, or functions of the wildcards. The fingerprints of
        the inputs (`expected`) and the hash of the script (`logic`) are among them.

    Attributes
    ----------
    params : dict
        For the `params` of the rule: what was stated, and the fingerprint.

    Notes
    -----
    Every parameter counts as one that determines numbers. Where a job runs belongs to the rule's
    resources; captions belong to rules of figures, which make no artefacts.
    """

    def __init__(self, *wildcards: str, **stated):
        self._wildcards, self._stated = wildcards, stated
        self._fingerprints: dict[tuple, str] = {}
        stated = stated | {"fingerprint": lambda wildcards: self.fingerprint(wildcards)}
        self.params = {
            name: with_signature(value) if callable(value) else value
            for name, value in stated.items()
        }

    def fingerprint(self, wildcards=None) -> str:
        """The hash of every parameter.

        Parameters
        ----------
        wildcards : object, optional
            The rule's wildcards as attributes; more do not matter.
        """
        key = tuple(getattr(wildcards, name) for name in self._wildcards)
        if key not in self._fingerprints:
            self._fingerprints[key] = digest(
                {
                    name: value(wildcards) if callable(value) else value
                    for name, value in self._stated.items()
                }
            )
        return self._fingerprints[key]
