"""What ``evalharness fetch`` brought: whole, and as it was published?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from evalharness.assets import hub
from evalharness.assets.asset import damaged, is_published
from evalharness.assets.hub import Snapshot
from evalharness.assets.plugin_assets import Fetchable, fetchable
from evalharness.doctor.check_result import CheckResult, fail, ok, warn


def fetched(by_plugin: Mapping[str, Sequence[Fetchable]] | None = None) -> Iterator[CheckResult]:
    """A line for each plugin, and one for each file that is not as it should be."""
    by_plugin = fetchable() if by_plugin is None else by_plugin
    for name, assets in by_plugin.items():
        if any(set(assets) < set(other) for other in by_plugin.values()):
            continue  # spoken of there
        wrong = [finding for asset in assets if (finding := _wrong(name, asset)) is not None]
        yield from wrong
        if not wrong:
            there, of = sum(_is_there(asset) for asset in assets), len(assets)
            right = f"{there} of {of} files are there and right" if there else f"none of {of} files is there"
            hint = "" if there == of else f" (evalharness fetch {name})"
            yield ok("fetched", f"{name}: {right}{hint}")


def _is_there(asset: Fetchable) -> bool:
    if isinstance(asset, Snapshot):
        return (asset.path / hub.LISTING).is_file()
    return asset.path.is_file() or (asset.convert is not None and asset.converted_path.is_dir())


def _wrong(name: str, asset: Fetchable) -> CheckResult | None:
    advice = f"evalharness fetch {name} replaces it"
    if isinstance(asset, Snapshot):
        return _wrong_of(name, asset, advice)
    if asset.path.is_file() and not is_published(asset.path, asset):
        return fail("fetched", f"{asset.path} is not the published file", advice)
    if asset.convert is None:
        return None
    folder = asset.converted_path
    if folder.is_dir() and (file := damaged(folder)) is not None:
        return fail("fetched", f"{folder / file} is not as it was converted", advice)
    if asset.path.is_file() and not folder.is_dir():
        return warn("fetched", f"{asset.name} is not converted", f"evalharness fetch {name} does it")
    return None


def _wrong_of(name: str, snapshot: Snapshot, advice: str) -> CheckResult | None:
    """The first file of a folder that is not as it was listed."""
    listing = hub.read(snapshot, snapshot.path)
    if listing is None:
        return None
    for asset in hub.assets(snapshot, listing):
        if not asset.path.is_file():
            missing = f"{snapshot.name} is not whole: {asset.name} is missing"
            return warn("fetched", missing, f"evalharness fetch {name}")
        if not is_published(asset.path, asset):
            return fail("fetched", f"{asset.path} is not the file that was listed", advice)
    return None
