"""The paper's experiments by name: each is a comparison with known settings, with the published numbers, time and memory.

Source of every published number: Gupta et al., "In-Context Symmetries", NeurIPS 2024, arXiv 2405.18193.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from contextssl import advice
from contextssl.errors import SettingsError, nearest

# The default data of a run.
SHAPES = "experiment=shapes_minutes"
PAPER = "3DIEBench, ResNet-18, 128 px, 1000 epochs: 7 to 8 hours and about 10 GB of GPU memory per run on one A6000"
MINUTES = "rendered shapes, 32 px, a compact encoder: 4 to 9 minutes per run on two CPU cores at epochs=26, in proportion at fewer; 4 GiB"


@dataclass(frozen=True)
class Experiment:
    """One experiment; ``name`` in the command, ``title`` in the paper.

    Args:
        settings: words of ``contextssl compare``.
        on_shapes: words that replace them on rendered shapes.
        published: the paper's result, in words.
    """

    name: str
    title: str
    settings: tuple[str, ...]
    published: str
    on_shapes: tuple[str, ...] = ()

    def words(self, given: Sequence[str]) -> list[str]:
        """Words of ``contextssl compare``: the experiment's, overridden by the user's."""
        kept = [word for word in given if not word.startswith("what=")]
        shapes = not any(word.startswith(("data_dir=", "dataset=", "experiment=")) for word in kept)
        own = [SHAPES, *(self.on_shapes or self.settings)] if shapes else list(self.settings)
        named = {word.split("=", 1)[0] for word in kept}
        where = [] if "compare_dir" in named else [f"compare_dir=runs/{self.name}"]
        return [*(word for word in own if word.split("=", 1)[0] not in named), *where, *kept]

    def described(self, given: Sequence[str]) -> str:
        """A description before the run: command, setting, published numbers, time and memory."""
        words = self.words(given)
        title = self.title if self.title.endswith("(ours)") else f"{self.title} (Gupta et al., 2024)"
        command = advice.command(["contextssl", "compare", *words])
        setting, other = PAPER, ""
        if SHAPES in words:
            setting, other = MINUTES, "; on 3DIEBench, so not to be compared with numbers on shapes"
        return f"{title}\ncommand: {command}\nsetting: {setting}\npublished: {self.published}{other}"


# Environments of training with three factors. Neither has rotation+light, all three, or none.
SINGLES = "{rotation:0.5,floor:0.25,light:0.25}"
SINGLES_AND_PAIRS = "{rotation:0.25,floor:0.125,light:0.125,rotation+floor:0.25,floor+light:0.25}"
PAPERS_METHODS = "methods=[simclr,simclr+,vicreg,vicreg+,equimod,sie,sen,conditional,contextssl]"
EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "figure3",
            "Figure 3: every method, conditioned on rotation or colour",
            (PAPERS_METHODS, "evaluation=published"),
            "rotation / colour R²: SimCLR 0.506 / 0.148, VICReg 0.371 / 0.023, EquiMod 0.512 / 0.097 (rotation) and 0.429 / 0.859 (colour), "
            "SIE 0.671 / 0.011 and 0.304 / 0.975, SEN 0.633 / 0.055 and 0.386 / 0.949, ContextSSL 0.744 / 0.023 and 0.344 / 0.986",
            on_shapes=(PAPERS_METHODS,),
        ),
        Experiment(
            "table1",
            "Table 1: retrieval among an object's views, under a rotation context",
            ("methods=[equimod:rotation,sen:rotation,conditional,contextssl]", "protocols=[retrieval]", "evaluation=published"),
            "MRR by context length 0, 2, 14, 30, 126: 0.240, 0.270, 0.373, 0.396, 0.402; EquiMod 0.16, SEN 0.17",
        ),
        Experiment(
            "masks",
            "Context mask probability",
            ("methods=[contextssl]", "vary={mask_prob:[0,0.2,0.5,0.75,0.9,0.98]}"),
            "0.9 was best of 0, 0.2, 0.5, 0.75, 0.9, 0.98",
        ),
        Experiment(
            "auxiliary",
            "The auxiliary predictor, off and on",
            ("methods=[contextssl]", "vary={weight_equiv_loss:[0,1,5,20]}"),
            "the paper trains with weight 5",
            on_shapes=("methods=[contextssl]", "vary={weight_equiv_loss:[0,5,20,80]}"),
        ),
        Experiment(
            "bottleneck",
            "A noise bottleneck during training, and for probes (ours)",
            ("methods=[contextssl]", "vary={bottleneck:[0,0.1,0.3,0.5,1.0]}", "compare_bottleneck=[0,0.1,0.3,1.0]"),
            "nothing: the paper has no bottleneck; 0 is its model",
        ),
        Experiment(
            "environments",
            "One environment per batch, or per sequence (ours)",
            ("methods=[contextssl]", "vary={env_per:[batch,sequence]}"),
            "nothing: the paper draws one per batch",
        ),
        Experiment(
            "context-sensitivity",
            "Does the model depend on its context? Contexts shuffled, wrong, random, of wrong pairs, too long (ours)",
            ("methods=[contextssl]", "protocols=[context-sensitivity]", "compare_lengths=[0,14]"),
            "nothing of this kind",
        ),
        Experiment(
            "labels",
            "Labels that depend on the context",
            ("methods=[contextssl]", "weight_labels=1", "protocols=[labels,geometry]"),
            "the extension is described; its numbers are not known here",
        ),
        Experiment(
            "single",
            "A single transformation: equivariant or invariant to rotation",
            ("methods=[contextssl]", "env_ratio={rotation:0.5,none:0.5}"),
            "the setting is described; its numbers are not known here",
        ),
        Experiment(
            "subsets",
            "Three factors, contexts for every subset of them, seen in training or not (ours)",
            (
                "methods=[contextssl]",
                "factors=[rotation,floor,light]",
                f"vary={{env_ratio:[{SINGLES},{SINGLES_AND_PAIRS}]}}",
                "compare_environments=[none,rotation,floor,light,rotation+floor,rotation+light,floor+light,all]",
            ),
            "nothing of this kind",
        ),
    )
}


# Experiments by their former names.
RENAMED = {"reading": "context-sensitivity"}


def experiment_named(name: str | None) -> Experiment:
    """
    Raises:
        SettingsError: if none is named, or an unknown one.
    """
    if name is None:
        raise SettingsError(f"name the experiment: contextssl reproduce NAME, one of {', '.join(EXPERIMENTS)}")
    if now := RENAMED.get(name):
        warnings.warn(f"reproduce {name} is reproduce {now} now, and is no longer accepted from version 1.0", UserWarning, stacklevel=2)
        # Its runs are in the folder of the former name.
        return replace(EXPERIMENTS[now], name=name)
    if name not in EXPERIMENTS:
        raise SettingsError(f"unknown experiment {name!r}: {nearest(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]
