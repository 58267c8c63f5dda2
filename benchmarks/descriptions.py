"""How often context.describe() is right about contexts of unseen items: python benchmarks/descriptions.py RUN [PAIRS]

Draws 20 contexts (of 7 pairs) of each environment from the validation split of a run of context=examples. Prints what was said of each factor,
and how many contexts got a warning.
"""

from __future__ import annotations

import sys
from collections import Counter

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
    for environment in evaluated.trained_on or ():
        said: dict[str, Counter[str]] = {name: Counter() for name in model.factors.names}
        warned = 0
        for batch in draw_contexts(source, pairs, CONTEXTS, 0, environment, model.context_kind):
            description = model.context(batch.source, None, batch.target).describe()
            warned += bool(description.warnings)
            for name, effect in description.factors.items():
                said[name][effect.says] += 1
        cells = [", ".join(f"{word} {count}" for word, count in each.most_common()) for each in said.values()]
        print(f"| {environment.name} | {' | '.join(cells)} | {warned} of {CONTEXTS} |")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
