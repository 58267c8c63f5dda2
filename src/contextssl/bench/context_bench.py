"""``contextssl bench context``: what a query in a context costs, as contexts grow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from contextssl.bench.as_published import embed_copying
from contextssl.bench.measured import Measured
from contextssl.bench.turns import in_turns
from contextssl.config.bench_settings import BenchContextSettings
from contextssl.data.published_latents import FACTORS
from contextssl.errors import ContextSSLError
from contextssl.models.contextssl import ContextSSL
from contextssl.system.device import chosen_device
from contextssl.system.files import readable_bytes
from contextssl.system.memory import peak_memory_mib

FEATURES = 512
# Of embeddings, of both ways.
TOLERANCE = 1e-4
SHARED, COPIED, ENCODED = "shared", "copied", "encoded"


def bench_context(settings: BenchContextSettings) -> Measured:
    """Queries against contexts of 1 to ``pairs`` pairs, in the paper's predictor. Raises ContextSSLError where both ways' embeddings differ."""
    device = chosen_device(settings.accelerator)
    model = ContextSSL(
        torch.nn.Identity(),
        FACTORS,
        feature_width=FEATURES,
        projection_dim=settings.projection_dim,
        width=settings.width,
        n_layer=settings.n_layer,
        n_head=settings.n_head,
        init="fan_in",
    )
    model = model.to(device).eval()
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(settings.queries, FEATURES, generator=generator).to(device)
    lengths = [2**power for power in range(settings.pairs.bit_length()) if 2**power <= settings.pairs]
    measured = Measured(
        f"{settings.queries} queries after a context: width {settings.width}, {settings.n_layer} layers, {device.type}, float32",
        dataclasses.asdict(settings),
    )
    differ, found = 0.0, {}
    for pairs in lengths:
        context_features = torch.randn(pairs, 2, FEATURES, generator=generator).to(device)
        actions = torch.randn(pairs, FACTORS.width, generator=generator).to(device)
        context = model.context_from_features(context_features, actions, beyond_block=True)
        held = context.keys.nbytes + context.values.nbytes
        copies = held * settings.queries
        ways: dict[str, Callable[[], object]] = {
            ENCODED: partial(model.context_from_features, context_features, actions, beyond_block=True),
            SHARED: partial(model.embed_features, features, context),
        }
        if copies <= settings.copied_gb * 2**30:
            ways[COPIED] = partial(embed_copying, model, features, context_features, actions)
            copied = embed_copying(model, features, context_features, actions)
            differ = max(differ, float((model.embed_features(features, context) - copied).abs().max()))
        times = in_turns(ways, settings.rounds, device)
        found[pairs] = times
        copying = COPIED in ways
        measured.rows.append(
            {
                "pairs": pairs,
                "encode once, ms": 1000 * times.median(ENCODED),
                "µs a query": 1e6 * times.median(SHARED) / settings.queries,
                "context held": readable_bytes(held),
                "copied: µs a query": 1e6 * times.median(COPIED) / settings.queries if copying else "",
                "times as long": times.ratio(COPIED, SHARED) if copying else "",
                "copies hold": readable_bytes(copies),
            }
        )
    if not differ < TOLERANCE:
        raise ContextSSLError(f"the two ways' embeddings differ by up to {differ:.2e}; please report this")
    fixed, each = fitted({pairs: times.median(SHARED) / settings.queries for pairs, times in found.items()})
    measured.notes += [
        f"a query takes {1e6 * fixed:.0f} µs, its own layers, and {1e6 * each:.3f} µs more for each pair: twice as much at {fixed / each:,.0f}",
        (
            "a shared context's keys and values are read by all queries together; the published way copies them for every query, and encodes the "
            f"context again for every batch; where its copies would take more than {settings.copied_gb:g} GiB it is left out"
        ),
        f"embeddings of both ways are at most {differ:.1e} apart; peak memory {peak_memory_mib(device):,.0f} MiB",
    ]
    measured.numbers = {
        "pairs": lengths,
        "seconds": {pairs: {name: list(values) for name, values in times.seconds.items()} for pairs, times in found.items()},
        "fixed_seconds": fixed,
        "seconds_a_pair": each,
        "difference": differ,
    }
    return measured


def fitted(seconds: dict[int, float]) -> tuple[float, float]:
    """Intercept and slope of seconds over pairs, least squares of relative errors, neither below zero."""
    pairs, taken = np.array(list(seconds), float), np.array(list(seconds.values()))
    design = np.stack([np.ones_like(pairs), pairs], axis=1) / taken[:, None]
    fixed, each = np.linalg.lstsq(design, np.ones_like(taken), rcond=None)[0]
    return max(float(fixed), 1e-12), max(float(each), 1e-12)
