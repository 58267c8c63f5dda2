"""Whether one model can take contexts of examples and of evidence: python benchmarks/both_kinds.py [examples,evidence] [key=value …]

Trains the demo's encoder and transformer on the demo's data (experiment=shapes_examples), the batches of one kind and the other in turn, and prints
variance shares on validation items by contexts of each kind that was trained. With one kind it is the control: all steps are of that kind.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data.environments import environments_of
from contextssl.data.pair_sampler import PairSampler
from contextssl.evaluation.contexts import draw_contexts
from contextssl.evaluation.variance_share import item_folds, share_designs, variance_share
from contextssl.evaluation.view_sets import ViewSet
from contextssl.method import Parts
from contextssl.models.build import in_context_model
from contextssl.models.by_evidence import ByEvidence
from contextssl.models.encoder_width import feature_width
from contextssl.models.encoders import build_encoder
from contextssl.models.evidence_predictor import EvidencePredictor
from contextssl.models.predictor import Predictor
from contextssl.training import Objective, contextssl_loss, warmup_cosine
from contextssl.training.schedule import peak_learning_rate

PAIRS = (1, 7, 31)
CONTEXTS = 3


class EitherPredictor(EvidencePredictor):
    """Relations of examples and of evidence are read by layers of their own; queries, blocks and what they attend to are shared. An example has no
    action, so its queries have none either.
    """

    kind: str = "examples"

    def _read_pairs(self, width: int) -> None:
        super()._read_pairs(width)
        self.read_example = nn.Linear(3 * self.feature_width, width)

    def embedded(self, features: Tensor, actions: Tensor) -> Tensor:
        return super().embedded(features, torch.zeros_like(actions) if self.kind == "examples" else actions)

    def relation(self, features: Tensor, actions: Tensor) -> Tensor:
        if self.kind != "examples":
            return super().relation(features, actions)
        source, target = features.unbind(-2)
        return self.read_example(torch.cat([source, target, (source - target).abs()], dim=-1))


class Either(ByEvidence):
    """The model of evidence that takes examples too; ``predictor.kind`` says what its next contexts are made of."""

    predictor_class: type[Predictor] = EitherPredictor
    predictor: EitherPredictor

    @property
    def context_kind(self) -> str:  # type: ignore[override]
        return self.predictor.kind  # of which samplers and losses ask

    def evidence_losses(self, features: Tensor, action: Tensor, latents: Tensor, active: Tensor) -> dict[str, Tensor]:
        return {} if self.context_kind == "examples" else super().evidence_losses(features, action, latents, active)


def train(kinds: list[str], settings: TrainSettings, data: Any) -> Either:
    environments = environments_of(settings, data.train.factors)
    sizes = (settings.batch_size, settings.block_size, settings.pairs_per_item)
    samplers = [PairSampler(data.train, environments, *sizes, settings.seed, kind, together=True) for kind in kinds]
    torch.manual_seed(settings.seed)
    encoder = build_encoder(settings.backbone, resolution=settings.resolution, pool=settings.pool, feature_norm=settings.feature_norm)
    statistics: dict[str, Any] = {"image_mean": data.image_mean, "image_std": data.image_std}
    made = in_context_model(Parts(settings, encoder, feature_width(encoder), data.train.factors, **statistics), Either)
    assert isinstance(made, Either)
    model = made.to(memory_format=torch.channels_last)
    objective = Objective.of(settings)
    rate = peak_learning_rate(settings.learning_rate, settings.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=settings.weight_decay, fused=True)
    a_epoch = samplers[0].steps_per_epoch
    total, warm = a_epoch * settings.epochs, round(a_epoch * settings.warmup_epochs)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, total, warm))
    noise, started = torch.Generator().manual_seed(settings.seed), time.monotonic()
    for step in range(total):
        sampler = samplers[step % len(samplers)]
        model.predictor.kind = sampler.context
        with torch.autocast("cpu", torch.bfloat16):
            losses = contextssl_loss(model, sampler.batch(*divmod(step, a_epoch)), objective, noise)
        optimizer.zero_grad()
        losses.total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        optimizer.step()
        schedule.step()
        if step % 200 < len(kinds):
            said = ", ".join(f"{name} {float(loss):.3f}" for name, loss in losses.parts.items())
            print(
                f"step {step} of {total}, {(time.monotonic() - started) / 60:.1f} min, {sampler.context}: {said}",
                file=sys.stderr,
                flush=True,
            )
    return model.eval()


def shares(model: Either, kinds: list[str], data: Any, environments: Any) -> None:
    """Prints a row for each kind, environment and number of pairs."""
    test = ViewSet.choose(data.split("val").views, "val", 50, 0, 0)
    designs, folds = share_designs(test, with_class=True), item_folds(test)
    images = test.source.gather_views(test.items, test.views)
    with torch.no_grad():
        features = torch.cat([model.encode(part) for part in images.split(500)])
    print(f"| contexts of | keep | pairs | {' | '.join(designs)} |\n|{'---|' * (len(designs) + 3)}")
    for kind in kinds:
        model.predictor.kind = kind
        for name in (None, *environments):
            drawn = [None] if name is None else draw_contexts(data.train, max(PAIRS), CONTEXTS, 0, name, kind)
            for pairs in (0,) if name is None else PAIRS:
                found = []
                for batch in drawn:
                    with torch.no_grad():
                        context = None if batch is None else model.context(batch.source[:pairs], batch.action[:pairs], batch.target[:pairs])
                        z = F.normalize(model.embed_features(features, context), dim=-1)
                    found.append(torch.tensor([variance_share(z, design, folds) for design in designs.values()]))
                print(
                    f"| {kind} | {name or 'none given'} | {pairs} | {' | '.join(f'{value:.3f}' for value in torch.stack(found).mean(0))} |"
                )


def main(kinds: list[str], overrides: list[str]) -> None:
    settings = settings_from("train", TrainSettings, ["experiment=shapes_examples", *overrides])
    data = open_data(settings)
    shares(train(kinds, settings, data), kinds, data, settings.env_ratio)


if __name__ == "__main__":
    given = sys.argv[1:]
    chosen = given.pop(0).split(",") if given and "=" not in given[0] else ["examples", "evidence"]
    main(chosen, given)
