"""The public rooms of the package: what each page of the API reference shows, in its order."""

from __future__ import annotations

from dataclasses import dataclass

# The fields of the settings, over a hundred, stand on the page of the settings.
LISTED_ELSEWHERE = {"contextssl.TrainSettings": "\n    options:\n      show_signature: false"}


@dataclass(frozen=True)
class Room:
    """One page of the reference.

    Args:
        name: of its file.
        about: one or two sentences above its parts.
        parts: modules, with all their public names, and single functions and classes. Each name of the package stands on one page alone, where a
            cross-reference leads.
    """

    name: str
    title: str
    about: str
    parts: tuple[str, ...]

    @property
    def markdown(self) -> str:
        blocks = "\n\n".join(f"::: {part}{LISTED_ELSEWHERE.get(part, '')}" for part in self.parts)
        return f"# {self.title}\n\n{self.about}\n\n{blocks}\n"


def _within(package: str, names: str) -> tuple[str, ...]:
    return tuple(f"contextssl.{package}{'.' if package else ''}{name}" for name in names.split())


TOP = Room(
    "contextssl",
    "contextssl",
    "What `import contextssl` offers: loading and training a model, using it, and giving it data of your own. Each name is imported on first use. "
    "The fields of `TrainSettings` are the [settings of `contextssl train`](settings.md#contextssl-train).",
    _within("", "load load_any train TrainSettings ContextSSL Factor FactorSpace Environment Views ViewPairs PairBatch Data DataSet"),
)
ROOMS = (
    TOP,
    Room(
        "models",
        "Models",
        "Every model is an `nn.Module` and a `ViewEncoder`: it can be built and used without the command. "
        "[ContextSSL][contextssl.ContextSSL], the world model, stands on the page of the package.",
        _within(
            "models",
            "view_encoder by_examples by_evidence conditional predictor description adapted hub neighbours model_file "
            "context_file frozen_encoder bottleneck encoders table_encoder image_input label_space "
            "objectives baselines.baseline baselines.term",
        ),
    ),
    Room(
        "training",
        "Training",
        "The loss and the learning rate, for a loop of your own, and what a run is made of. A whole run is [contextssl.train][].",
        _within("training", "loss schedule module batches") + _within("", "randomness errors"),
    ),
    Room(
        "data",
        "Data",
        "Where views and pairs come from: what draws pairs, stores, rendered shapes, augmentations and tables. [Views][contextssl.Views] and "
        "[ViewPairs][contextssl.ViewPairs] of your own arrays stand on the page of the package.",
        _within(
            "data",
            "given_images given_pairs "
            "pairs.PairSource pair_sampler.PairSampler environment_mix.EnvironmentMix dataset.open_data source views.ViewBank pack.pack store.Store "
            "store.open_store shapes.ShapesSource shapes.normalise shapes.render_views shapes.shape_mesh augmented augmentations.Augmentations "
            "augmentations.Crop augmentations.Blur augmentations.Color augmentations.Flip augmentations.Rotate augmentations.Grayscale "
            "augmentations.FromKornia tables.columns tables.rows",
        ),
    ),
    Room(
        "evaluation",
        "Evaluation",
        "Metrics and tests are functions of tensors, and can be used alone; the protocols of `contextssl evaluate` put them together.",
        _within(
            "evaluation",
            "evaluate.evaluate plan.Plan embeddings.Embedder view_sets contexts metrics bootstrap item_sums neighbours ridge_regression "
            "variance_share sensitivity noise certificate leace pair_erasure fairness_metrics transformations",
        ),
    ),
    Room(
        "checkpoints",
        "Checkpoints and results",
        "What a run leaves and how it is read back: a checkpoint alone rebuilds the model, and `results.json` holds one flat record a number.",
        _within("checkpoints", "content.settings_of loading.find_checkpoint loading.load_content loading.read loading.recipe")
        + _within("records", "results run_folder provenance"),
    ),
    Room(
        "plug-ins",
        "Plug-ins",
        "What a method, a protocol, a head, a metric and an augmentation are made of; a data set is a [DataSet][contextssl.DataSet]. "
        "[The guide](../plugins.md) shows how one is added.",
        _within(
            "",
            "method protocol head metric data.augmentations.augmentation.Augmentation config.setting plugins.Kind",
        ),
    ),
)
