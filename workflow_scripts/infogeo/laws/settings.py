"""What the configuration says about laws, and which of them it declares headlines."""

from dataclasses import dataclass, field

from infogeo.geometry import metrics


@dataclass(frozen=True)
class Settings:
    """What the configuration says about laws.

    Attributes
    ----------
    depths : tuple of str
        Relative depths ("0" … "1") and "final".
    depth_tolerance : float
        Largest distance of a layer from a relative depth.
    axes : tuple of str
        "non_embedding", "total".
    draws, seed : int
        Bootstrap.
    headline : dict
        n, eps2, depth, axis, metrics (list of [metric, convention]; coding rates without ε²).
    """

    depths: tuple = ("0", "0.5", "1", "final")
    depth_tolerance: float = 0.1
    axes: tuple = ("non_embedding", "total")
    draws: int = 999
    seed: int = 0
    headline: dict = field(default_factory=dict)

    def axes_of(self, key: dict) -> tuple:
        """The counts N of the laws of a key: of what accompanies others the headline's alone."""
        if metrics.is_beside(key["scope"], key["convention"], key["first"]):
            return (self.headline.get("axis", self.axes[0]),)
        return self.axes

    def is_headline(self, law: dict) -> bool:
        """Whether a law was declared a headline before the run: of all tokens, the first too."""
        if not self.headline or law["scope"] != "text" or law["first"] == "out":
            return False
        declared = {
            (metrics.at_eps2(base, self.headline["eps2"]), convention)
            for base, convention in self.headline["metrics"]
        }
        depth = metrics.depth_of(law["metric"], self.headline["depth"])
        return (
            (law["metric"], law["convention"]) in declared
            and (law["n"], law["axis"]) == (self.headline["n"], self.headline["axis"])
            and law["depth"] == depth
        )
