"""How often context.describe() is right about contexts of unseen items: python benchmarks/descriptions.py RUN [PAIRS]

Draws 20 contexts (of 7 pairs) of each environment from the validation split of a run of context=examples. Prints what was said of each factor,
and how many contexts got a warning; then the same of contexts that are mixed of two environments, and of pairs of different items.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import combinations

import torch

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.overrides import settings_from
from contextssl.evaluation.contexts import draw_contexts
from contextssl.evaluation.evaluated import open_evaluated
from contextssl.models.by_examples import ByExamples

CONTEXTS = 20


def main(run: str, pairs: int = 7) -> None:
    evaluated = open_evaluated(settings_from("evaluate", EvaluateSettings, [f"load_model={run}"]))
    model, source = evaluated.model, evaluated.data.split("val")
    if not isinstance(model, ByExamples):
        raise SystemExit(f"{run} was not trained with context=examples: its contexts describe nothing")
    print(f"| context of {pairs} pairs | {' | '.join(model.factors.names)} | with a warning |\n|{'---|' * (len(model.factors.names) + 2)}")
    shown = {each.name: draw_contexts(source, pairs, CONTEXTS, 0, each, model.context_kind) for each in evaluated.trained_on or ()}
    drawn = {name: [(batch.source, batch.target) for batch in batches] for name, batches in shown.items()}
    for one, two in combinations(list(drawn), 2):
        rest = pairs // 2
        halves = zip(drawn[one], drawn[two], strict=True)
        mixed = [(torch.cat([a[: pairs - rest], c[:rest]]), torch.cat([b[: pairs - rest], d[:rest]])) for (a, b), (c, d) in halves]
        drawn[f"{one}, {rest} of them {two}"] = mixed
    drawn["targets of other items"] = [(first, second.roll(1, 0)) for first, second in next(iter(drawn.values()))]
    for context, examples in drawn.items():
        said: dict[str, Counter[str]] = {name: Counter() for name in model.factors.names}
        warned = 0
        for first, second in examples:
            description = model.context(first, None, second).describe()
            warned += bool(description.warnings)
            for name, effect in description.factors.items():
                said[name][effect.says] += 1
        cells = [", ".join(f"{word} {count}" for word, count in each.most_common()) for each in said.values()]
        print(f"| {context} | {' | '.join(cells)} | {warned} of {CONTEXTS} |")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
