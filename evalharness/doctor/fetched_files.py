"""Checks that the files from ``evalharness fetch`` are complete and as published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from evalharness.assets.asset import Asset, first_damaged_file, has_published_digest
from evalharness.assets.listing import LISTING, Snapshot, read_listing
from evalharness.assets.plugin_assets import Fetchable, fetchable
from evalharness.doctor.check_result import CheckResult, fail, ok, warn


def check_fetched(by_plugin: Mapping[str, Sequence[Fetchable]] | None = None) -> Iterator[CheckResult]:
    """Give a line for each plugin that needs files, and one for each file that is damaged or missing.

    Args:
        by_plugin: files by plugin, by default those of all installed plugins.
    """
    by_plugin = fetchable() if by_plugin is None else by_plugin
    for name, assets in by_plugin.items():
        if any(set(assets) < set(superset) for superset in by_plugin.values()):
            continue  # the plugin that needs these files and more has its own line
        problems = [problem for asset in assets if (problem := _problem(name, asset)) is not None]
        yield from problems
        if not problems:
            yield _count(name, assets)


def _count(name: str, assets: Sequence[Fetchable]) -> CheckResult:
    present, total = sum(_is_present(asset) for asset in assets), len(assets)
    message = f"{present} of {total} files are there and right" if present else f"none of {total} files is there"
    hint = "" if present == total else f" (evalharness fetch {name})"
    return ok("fetched", f"{name}: {message}{hint}")


def _is_present(asset: Fetchable) -> bool:
    if isinstance(asset, Snapshot):
        return (asset.path / LISTING).is_file()
    return asset.path.is_file() or (asset.convert is not None and asset.converted_path.is_dir())


def _problem(plugin: str, asset: Fetchable) -> CheckResult | None:
    return _snapshot_problem(plugin, asset) if isinstance(asset, Snapshot) else _file_problem(plugin, asset)


def _file_problem(plugin: str, asset: Asset) -> CheckResult | None:
    advice = f"evalharness fetch {plugin} replaces it"
    if asset.path.is_file() and not has_published_digest(asset.path, asset):
        return fail("fetched", f"{asset.path} is not the published file", advice)
    if asset.convert is None:
        return None
    folder = asset.converted_path
    if folder.is_dir() and (damaged := first_damaged_file(folder)) is not None:
        return fail("fetched", f"{folder / damaged} is not as it was converted", advice)
    if asset.path.is_file() and not folder.is_dir():
        return warn("fetched", f"{asset.name} is not converted", f"evalharness fetch {plugin} does it")
    return None


def _snapshot_problem(plugin: str, snapshot: Snapshot) -> CheckResult | None:
    """The first file of a folder that is not as listed."""
    listing = read_listing(snapshot, snapshot.path)
    if listing is None:
        return None
    for asset in listing.assets(snapshot):
        if not asset.path.is_file():
            message = f"{snapshot.name} is incomplete: {asset.name} is missing"
            return warn("fetched", message, f"evalharness fetch {plugin}")
        if not has_published_digest(asset.path, asset):
            message = f"{asset.path} is not the file that was listed"
            return fail("fetched", message, f"evalharness fetch {plugin} replaces it")
    return None
