"""Rendered objects from a store, their latents divided into factors; and what is known of them before there is one."""

from __future__ import annotations

from dataclasses import replace

from contextssl.config.data_settings import DataSettings
from contextssl.data.dataset import Data
from contextssl.data.opened import data_of
from contextssl.data.pairs import ViewPairs
from contextssl.data.store import Store
from contextssl.data.threediebench import FACTORS, factors_named
from contextssl.digest import digest_of
from contextssl.errors import SettingsError
from contextssl.factors import FactorSpace


def foreseen(settings: DataSettings) -> tuple[FactorSpace, tuple[int, ...]]:
    """The factors of rendered objects and the shape of a view, (3, H, W).

    Raises:
        SettingsError: for factors that cannot be.
    """
    factors = FACTORS if settings.factors is None else factors_named(settings.factors)
    return factors, (3, settings.resolution, settings.resolution)


def rendered(store: Store, settings: DataSettings) -> Data:
    """Pairs of a store's views, their latents divided into factors as the settings name them."""
    if settings.factors is None:
        return data_of(store, settings)
    factors = factors_named(settings.factors)
    if store.factors != FACTORS:
        raise SettingsError(
            f"{store.path} has the factors {', '.join(store.factors.names) or 'none'}, which factors=[…] cannot divide: leave factors out"
        )
    data = data_of(store, settings, lambda split: ViewPairs(replace(store[split], factors=factors)))
    fingerprint = store.fingerprint if factors == store.factors else digest_of([store.fingerprint, factors.to_dict()])
    return replace(data, description={**data.description, "fingerprint": fingerprint})
