"use strict";
// Two arms on the rows of the page: paired over prompts and seeds, as they are and at equal cost. Numbers in, numbers out.

const MEASURES = { evaluations: "sampler steps", tokens: "tokens", seconds: "seconds" };

function mean(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : NaN;
}

function scoredOf(row, arm) {
  const sample = row.byArm.get(arm);
  return sample && sample.state === "scored" ? sample : null;
}

/** The mean cost of an arm's scored samples. */
function meanCost(rows, arm, measure) {
  return mean(rows.map((row) => scoredOf(row, arm)?.[measure]).filter((value) => value !== null && value !== undefined));
}

/** The score of a mixture of arms on a row: each arm with its share; NaN where one has none. */
function mixedScore(row, mixture) {
  return mixture.reduce((sum, [arm, share]) => sum + share * (scoredOf(row, arm)?.score ?? NaN), 0);
}

/**
 * Second minus first, each a mixture of arms, over the rows that both have: weighted over categories as the report does,
 * with a normal interval in which the images of a prompt count as one, and, as in Agresti and Min's for paired shares, half
 * a prompt of each sign is added to the variance, since few prompts that agree are no certainty. NaN where a category of the benchmark has no pair.
 */
function difference(rows, first, second, weights) {
  const pairs = rows.map((row) => ({ row, first: mixedScore(row, first), second: mixedScore(row, second) }))
    .filter((pair) => !Number.isNaN(pair.first) && !Number.isNaN(pair.second));
  const byCategory = groupBy(pairs, (pair) => pair.row.category);
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const result = { pairs: pairs.length, first: 0, second: 0, value: 0, variance: 0, fixed: 0, broken: 0 };
  for (const [category, weight] of Object.entries(weights)) {
    const members = byCategory.get(category) ?? [];
    const prompts = [...groupBy(members, (pair) => pair.row.itemId).values()]
      .map((group) => mean(group.map((pair) => pair.second - pair.first)));
    const center = mean(prompts);
    const spread = prompts.reduce((sum, value) => sum + (value - center) ** 2, 1 / Object.keys(weights).length);
    const share = weight / total;
    result.first += share * mean(members.map((pair) => pair.first));
    result.second += share * mean(members.map((pair) => pair.second));
    result.variance += share ** 2 * spread / (prompts.length - 1) / prompts.length;
  }
  result.value = result.second - result.first;
  result.half = 1.96 * Math.sqrt(result.variance);
  result.fixed = pairs.filter((pair) => pair.second >= 1 && pair.first < 1).length;
  result.broken = pairs.filter((pair) => pair.second < 1 && pair.first >= 1).length;
  return result;
}

/**
 * Which arms of a family, drawn at random with which shares, cost on average as much as wanted: the two neighbours in cost.
 * Null if all cost more, or all cost less.
 */
function mixtureOfCost(rows, family, measure, wanted) {
  const costs = family.map((arm) => [arm, meanCost(rows, arm, measure)])
    .filter(([, cost]) => !Number.isNaN(cost)).sort((a, b) => a[1] - b[1]);
  for (let place = 0; place < costs.length; place += 1) {
    const [[arm, cost], next] = [costs[place], costs[place + 1]];
    if (cost === wanted) return [[arm, 1]];
    if (next && cost < wanted && wanted < next[1]) {
      const share = (wanted - cost) / (next[1] - cost);
      return [[arm, 1 - share], [next[0], share]];
    }
  }
  return null;
}

function familyOf(arm) {
  return report.families.find((members) => members.includes(arm)) ?? [arm];
}
