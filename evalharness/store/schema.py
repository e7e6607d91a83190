"""The tables of a store, and how those of earlier versions become the present ones."""

from __future__ import annotations

SCHEMA_VERSION = 8
TRAJECTORIES = """
CREATE TABLE trajectories (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, variant TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
    cap INTEGER, finished INTEGER NOT NULL, environment TEXT, made INTEGER, iterations INTEGER NOT NULL,
    seconds REAL NOT NULL, dollars REAL NOT NULL, steps TEXT NOT NULL) WITHOUT ROWID;
"""
"""Totals stand before the steps: SQLite reads a long row only as far as it has to."""
EARLIER = """
ALTER TABLE trajectories ADD COLUMN earlier TEXT NOT NULL DEFAULT '[]';
"""
"""The stretches of steps before those of ``environment``: each has its end, its environment and its time."""
SCORES = """
CREATE TABLE scores (
    key TEXT PRIMARY KEY, image TEXT NOT NULL, value REAL NOT NULL, reason TEXT NOT NULL, environment TEXT,
    made INTEGER, scorer TEXT, seconds REAL, details TEXT NOT NULL) WITHOUT ROWID;
"""
ENVIRONMENTS = """
CREATE TABLE environments (digest TEXT PRIMARY KEY, info TEXT NOT NULL) WITHOUT ROWID;
"""
OTHERS = """
CREATE TABLE images (digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (name TEXT PRIMARY KEY, info TEXT NOT NULL) WITHOUT ROWID;
"""
REPLIES = """
CREATE TABLE replies (
    key TEXT NOT NULL, attempt INTEGER NOT NULL, question TEXT NOT NULL, judge TEXT NOT NULL, image TEXT NOT NULL,
    rubric TEXT NOT NULL, repeat INTEGER NOT NULL, reply TEXT NOT NULL, PRIMARY KEY (key, attempt)) WITHOUT ROWID;
"""
REPLIES_INDEX = """
CREATE INDEX replies_image ON replies (image);
"""
FAILURES = """
CREATE TABLE failures (
    key TEXT PRIMARY KEY, reason TEXT NOT NULL, kind TEXT NOT NULL, exception TEXT NOT NULL, attempt INTEGER NOT NULL,
    worker TEXT NOT NULL, host TEXT NOT NULL, device TEXT NOT NULL, cap INTEGER, traceback TEXT NOT NULL
    ) WITHOUT ROWID;
"""
FEATURES = """
CREATE TABLE features (key TEXT PRIMARY KEY, image TEXT NOT NULL, vector BLOB NOT NULL) WITHOUT ROWID;
"""
SCHEMA = f"{TRAJECTORIES} {EARLIER} {SCORES} {ENVIRONMENTS} {OTHERS} {FAILURES} {REPLIES} {REPLIES_INDEX} {FEATURES}"
OLD_FAILURES = """
SELECT key, reason, CASE
        WHEN reason LIKE '%out of memory%' OR reason LIKE '%CUDA error%' OR reason LIKE '%workers died at it%'
        THEN 'worker' ELSE 'sample' END AS kind,
    '' AS exception, 1 AS attempt, '' AS worker, '' AS host, '' AS device, NULL AS cap, '' AS traceback
"""
"""What the failures of schemas before 4 are in the present one. Their reasons tell the faults of workers."""
STEPS = "json_each(CASE WHEN json_valid(steps) THEN steps ELSE '[]' END)"
OLD_TRAJECTORIES = f"""
SELECT key, model, variant, prompt, seed, cap, finished, NULL AS environment, NULL AS made,
    COALESCE((SELECT MAX(1, MAX(json_extract(value, '$.iteration'))) FROM {STEPS}), 1) AS iterations,
    COALESCE((SELECT SUM(json_extract(value, '$.seconds')) FROM {STEPS}), 0.0) AS seconds,
    COALESCE((SELECT SUM(json_extract(value, '$.dollars')) FROM {STEPS}), 0.0) AS dollars,
    steps
"""
"""What the trajectories of schemas before 5 are in the present one: where they were made is not recorded."""
OLD_SCORES = "SELECT key, image, value, reason, NULL AS environment, NULL AS made"
"""What the scores of schemas before 5 have, all but their details."""
UNTIMED_SCORES = "SELECT key, image, value, reason, environment, made"
"""The same of schema 5: what computed them, and how long, is not recorded."""
CONTINUED = f"(SELECT MAX(key) FROM {STEPS} WHERE json_extract(value, '$.continued'))"
OLD_EARLIER = f"""
CASE WHEN {CONTINUED} IS NULL THEN '[]' ELSE json_array(json_array({CONTINUED}, NULL, NULL)) END
"""
"""Of a trajectory of the schemas 5 and 6 that was continued, only the last environment is recorded."""
UPGRADES = {
    1: "",
    2: f"DROP TABLE IF EXISTS replies; {REPLIES}",
    3: f"ALTER TABLE failures RENAME TO old_failures; {FAILURES}"
    f" INSERT INTO failures {OLD_FAILURES} FROM old_failures; DROP TABLE old_failures;",
    4: f"ALTER TABLE trajectories RENAME TO old_trajectories; {TRAJECTORIES}"
    f" INSERT INTO trajectories {OLD_TRAJECTORIES} FROM old_trajectories; DROP TABLE old_trajectories;"
    f" ALTER TABLE scores ADD COLUMN environment TEXT; ALTER TABLE scores ADD COLUMN made INTEGER;"
    f" {ENVIRONMENTS} {REPLIES_INDEX}",
    5: f"ALTER TABLE scores RENAME TO old_scores; {SCORES}"
    f" INSERT INTO scores {UNTIMED_SCORES}, NULL, NULL, details FROM old_scores; DROP TABLE old_scores;",
    6: f"{EARLIER} UPDATE trajectories SET earlier = {OLD_EARLIER} WHERE steps LIKE '%\"continued\": true%';",
    7: f"DROP TABLE IF EXISTS features; {FEATURES}",
}
"""Schema version → SQL that upgrades it to the next. Nothing that was released wrote replies in version 2."""
VIEWS = {
    range(1, 4): f"CREATE TEMP VIEW failures AS {OLD_FAILURES} FROM main.failures;",
    range(1, 5): f"CREATE TEMP VIEW trajectories AS SELECT *, '[]' AS earlier"
    f" FROM ({OLD_TRAJECTORIES} FROM main.trajectories);"
    f" CREATE TEMP VIEW scores AS {OLD_SCORES}, NULL AS scorer, NULL AS seconds, details FROM main.scores;"
    " CREATE TEMP TABLE environments (digest TEXT PRIMARY KEY, info TEXT NOT NULL);",
    range(5, 6): f"CREATE TEMP VIEW scores AS {UNTIMED_SCORES}, NULL AS scorer, NULL AS seconds, details"
    " FROM main.scores;",
    range(5, 7): f"CREATE TEMP VIEW trajectories AS SELECT *, {OLD_EARLIER} AS earlier FROM main.trajectories;",
    range(1, 8): "CREATE TEMP TABLE features (key TEXT PRIMARY KEY, image TEXT, vector BLOB);",
}
"""Schema versions → temporary views that hide their tables.

So a store that may not be written is read like an upgraded one.
"""
