"""``contextssl bench evaluate``: probes in several contexts and ranks, each view encoded once, beside encoding it in every epoch of every context."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contextssl.bench.as_published import as_read, embed_copying, ranks_one_by_one
from contextssl.bench.limits import measure_limits
from contextssl.bench.measured import Measured
from contextssl.bench.noise_data import MEAN, STD, noise_data
from contextssl.bench.train_bench import trained_as
from contextssl.bench.turns import in_turns
from contextssl.config.bench_settings import BenchEvaluateSettings
from contextssl.data.published_latents import FACTORS
from contextssl.errors import ContextSSLError, SettingsError
from contextssl.evaluation.metrics import tied_places
from contextssl.evaluation.train_heads import regression_loss, train_heads
from contextssl.models.contextssl import ContextSSL
from contextssl.models.neighbours import cosine_tolerance
from contextssl.models.predictor import Context
from contextssl.system.device import chosen_device
from contextssl.system.memory import peak_memory_mib
from contextssl.system.precision import FLOAT32
from contextssl.training.run import fresh_model

ONCE, AGAIN = "encoded once", "published way"
# Rows of a probe's batch, in both ways.
BATCH = 256
# Of normalised embeddings.
TOLERANCE = 1e-3
# The paper's evaluation: views of 3DIEBench, epochs of its probes, and contexts: six lengths of two environments.
PAPER_VIEWS, PAPER_EPOCHS, PAPER_CONTEXTS = 2_623_600, 300, 12


@dataclass
class Work:
    """What both ways do: views, their latents, and the pairs of a context."""

    model: ContextSSL
    images: Tensor
    latents: Tensor
    context_images: tuple[Tensor, Tensor]
    actions: Tensor
    lengths: list[int]
    epochs: int

    def prefixes(self, context: Context) -> list[Context]:
        return [context.prefix(length) for length in self.lengths]

    def once(self) -> list[Tensor]:
        """Embeddings in every context, and all probes trained together."""
        features = self.model.encode(self.images, progress=False)
        context = self.model.context(self.context_images[0], self.actions, self.context_images[1])
        embeddings = [F.normalize(self.model.embed_features(features, prefix), dim=-1) for prefix in self.prefixes(context)]
        self.probe(embeddings, self.epochs)
        return embeddings

    def probe(self, embeddings: list[Tensor], epochs: int) -> None:
        held, targets = torch.stack(embeddings), self.latents
        train_heads(
            lambda rows: held[:, rows],
            len(targets),
            lambda output, rows: regression_loss(output, rows, targets),
            count=len(held),
            widths=(held.shape[-1], targets.shape[1]),
            epochs=epochs,
            batch_size=BATCH,
            device=held.device,
        )

    def again(self) -> list[Tensor]:
        """A probe for every context, whose every epoch encodes all views."""
        found = []

        def encoded(images: Tensor) -> Tensor:
            with torch.no_grad():
                features: Tensor = self.contiguous(as_read(images, MEAN, STD))
            return features

        for length in self.lengths:
            pairs = length // 2
            probe = nn.Linear(self.model.projection_dim, self.latents.shape[1]).to(self.images.device)
            optimizer = torch.optim.Adam(probe.parameters(), lr=1e-3)
            context = torch.stack([encoded(images[:pairs]) for images in self.context_images], dim=1) if pairs else None
            for _ in range(self.epochs):
                embeddings = []
                for images, latents in zip(self.images.split(BATCH), self.latents.split(BATCH), strict=True):
                    features = encoded(images)
                    z = (
                        self.model.embed_features(features)
                        if context is None
                        else embed_copying(self.model, features, context, self.actions[:pairs])
                    )
                    unit = F.normalize(z, dim=-1)
                    optimizer.zero_grad()
                    (probe(unit) - latents).square().mean().backward()
                    optimizer.step()
                    embeddings.append(unit)
            found.append(torch.cat(embeddings))
        return found

    def __post_init__(self) -> None:
        self.contiguous = copy.deepcopy(self.model.encoder).to(memory_format=torch.contiguous_format)


def bench_evaluate(settings: BenchEvaluateSettings) -> Measured:
    """Both ways in turns; then what a view costs in each part, and from that the paper's evaluation. Raises ContextSSLError where they differ."""
    trained_as(settings)
    device = chosen_device(settings.accelerator)
    data = noise_data(settings.items, 2, settings.resolution)
    model = fresh_model(settings, data, None).to(device).eval()
    if not isinstance(model, ContextSSL):
        raise SettingsError("bench measures models with a predictor")
    lengths = [length for length in settings.eval_ctxt if length <= model.longest_context]
    generator = torch.Generator().manual_seed(0)
    pairs = data.train.draw(torch.randint(settings.items, (max(lengths) // 2 or 1,), generator=generator), generator).to(device)
    every = torch.arange(settings.items)
    images, views = (torch.cat([data.train.views.gather_views(every, torch.full_like(every, view)) for view in (0, 1)]).to(device), 2)
    latents = torch.randn(views * settings.items, FACTORS.width, generator=generator).to(device)
    work = Work(model, images, latents, (pairs.source, pairs.target), pairs.action, lengths, settings.probe_epochs)

    times = in_turns({ONCE: work.once, AGAIN: work.again}, settings.rounds, device)
    mine, theirs = work.once(), work.again()
    differ = max(float((a - b).abs().max()) for a, b in zip(mine, theirs, strict=True))
    if not differ < TOLERANCE:
        raise ContextSSLError(f"the two ways' embeddings differ by up to {differ:.2e}; please report this")

    context = model.context(pairs.source, pairs.action, pairs.target)
    features = model.encode(images, progress=False)
    half = len(mine[-1]) // 2
    candidates, predicted = mine[-1][:half], mine[-1][half:]
    own = torch.arange(half, device=device)

    def ranked() -> tuple[Tensor, Tensor]:
        """How many are nearer, and how many tie within rounding."""
        return tied_places(predicted @ candidates.T, own, cosine_tolerance(candidates.shape[1]))

    parts = in_turns(
        {
            "encode": lambda: model.encode(images, progress=False),
            "embed": lambda: model.embed_features(features, context),
            "probe": lambda: work.probe(mine, 1),
            "rank": ranked,
            "rank one by one": lambda: ranks_one_by_one(predicted, candidates),
        },
        settings.rounds,
        device,
    )
    (nearer, tied), places = ranked(), torch.tensor(ranks_one_by_one(predicted, candidates), device=device) - 1
    # Sorting puts what ties in any order.
    if bool(((places < nearer) | (places > nearer + tied)).any()):
        raise ContextSSLError("the two ways' ranks differ; please report this")
    limits = measure_limits(device, FLOAT32)
    count, contexts = len(images), len(lengths)
    each = {
        "encode": parts.median("encode") / count,
        "embed": parts.median("embed") / count,
        "probe epoch": parts.median("probe") / count / contexts,
        "rank among others": parts.median("rank") / half,
    }
    again = times.median(AGAIN) / (count * contexts * settings.probe_epochs)
    paper = PAPER_VIEWS * (each["encode"] + PAPER_CONTEXTS * (each["embed"] + PAPER_EPOCHS * each["probe epoch"]))
    published = PAPER_VIEWS * PAPER_CONTEXTS * PAPER_EPOCHS * again
    ratio = times.ratio(AGAIN, ONCE)
    measured = Measured(
        f"Evaluating {count:,} views in {contexts} contexts, {settings.probe_epochs} epochs of a probe: {settings.backbone}, "
        f"{settings.resolution} px, float32, {device.type}",
        dataclasses.asdict(settings) | {"device": device.type},
    )
    measured.rows = [
        {"way": ONCE, "s": times.median(ONCE), "views/s": count / times.median(ONCE)},
        {"way": AGAIN, "s": times.median(AGAIN), "views/s": count / times.median(AGAIN)},
        *({"way": f"a view, {name}", "s": seconds} for name, seconds in each.items()),
        {"way": "a view, published way, an epoch in a context", "s": again},
    ]
    measured.notes += [
        f"{ratio:.1f} times as fast with {settings.probe_epochs} epochs and {contexts} contexts; the difference grows with both",
        (
            f"projected from these parts, which are linear in views: the paper's {PAPER_VIEWS:,} views in {PAPER_CONTEXTS} contexts with "
            f"{PAPER_EPOCHS} epochs of a linear probe take {paper / 3600:,.1f} h here and {published / 3600:,.0f} h the published way"
        ),
        f"ranks of {half:,} queries among as many: {parts.ratio('rank one by one', 'rank'):.0f} times as fast as one query at a time",
        f"embeddings of both ways are at most {differ:.1e} apart; peak memory {peak_memory_mib(device):,.0f} MiB",
    ]
    measured.numbers = {
        "ratio": ratio,
        "seconds": {name: list(values) for name, values in times.seconds.items()},
        "seconds_a_view": {**each, "published": again},
        "projected_hours": {"here": paper / 3600, "published": published / 3600},
        "rank_ratio": parts.ratio("rank one by one", "rank"),
        "difference": differ,
        "limits": dataclasses.asdict(limits),
    }
    return measured
