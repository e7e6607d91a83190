"""Takes one shard of a planned sweep.

Items are divided, not samples: all arms and images of an item are in one shard. Benchmarks under two aliases share
items, and with these trajectories; an item is in the same shard in both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from evalharness.config.schema import Sweep
from evalharness.config.shards import Shard
from evalharness.errors import ConfigError
from evalharness.planning.plan import PlannedBenchmark
from evalharness.planning.subsets import ranked


def take_shard(sweep: Sweep, benchmarks: Mapping[str, PlannedBenchmark], shard: Shard) -> dict[str, PlannedBenchmark]:
    """Keep the items of one shard.

    An item's shard does not depend on the limit: its rank among all items of the benchmark decides. So a trial with a
    limit is a part of its shard, every shard has items of each category, and numbers of items differ by one at most.

    Raises:
        ConfigError: A benchmark has no item in the shard.
    """
    ranks: dict[str, dict[str, int]] = defaultdict(dict)
    for spec in sweep.benchmarks:
        of_plugin = ranks[spec.plugin.name]
        for item in ranked(benchmarks[spec.name].benchmark.items(), spec.plugin.name, sweep.seed):
            of_plugin.setdefault(item.id, len(of_plugin))
    kept = {}
    for spec in sweep.benchmarks:
        planned, of_plugin = benchmarks[spec.name], ranks[spec.plugin.name]
        items = tuple(item for item in planned.items if of_plugin[item.id] % shard.count == shard.index - 1)
        if not items:
            raise ConfigError(
                f"shard {shard} has no item of {spec.name!r}, of which the sweep takes {len(planned.items)}; "
                "choose fewer shards"
            )
        ids = {item.id for item in items}
        rescorings = tuple(replace(rescoring, items=rescoring.items & ids) for rescoring in planned.rescorings)
        kept[spec.name] = replace(planned, items=items, rescorings=rescorings)
    return kept
