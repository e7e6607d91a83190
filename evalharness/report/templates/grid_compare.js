"use strict";
// The panel that compares any two arms of the page, as they are and at equal cost.

const panel = document.getElementById("comparison");

function comparedArms(state) {
  const [first, second] = [state.get("a"), state.get("b")];
  const a = arms.includes(first) ? first : arms.includes(report.baseline) ? report.baseline : arms[0];
  const b = arms.includes(second) && second !== a ? second : arms.includes(report.lead) && report.lead !== a ? report.lead : arms.find((arm) => arm !== a);
  return [a, b];
}

function mixtureText(mixture) {
  return mixture.map(([arm, share]) => (mixture.length > 1 ? `${Math.round(100 * share)} % ${arm}` : arm)).join(" and ");
}

function percent(value, sign = false) {
  if (Number.isNaN(value)) return "–";
  const text = (100 * value).toFixed(1).replace(/^-0\.0$/, "0.0").replace("-", "−");
  return sign && value > 0 && text !== "0.0" ? `+${text}` : text;
}

function comparisonRow(label, found, costs) {
  const ends = Number.isNaN(found.half) ? "" : ` [${percent(found.value - found.half)}, ${percent(found.value + found.half)}]`;
  const numbers = [percent(found.first), percent(found.second), percent(found.value, true) + ends, ...costs.map((cost) => (Number.isNaN(cost) ? "–" : cost.toFixed(1)))];
  return element("tr", {}, element("th", { scope: "row" }, label), ...numbers.map((text) => element("td", { class: "number" }, text)),
    element("td", { class: "number" }, String(found.pairs)));
}

function noMixture(label, kind) {
  return element("tr", {}, element("th", { scope: "row" }, label), element("td", { colspan: "6" }, `none: no mixture of ${kind} costs that much`));
}

function drawComparison(state) {
  const [a, b] = comparedArms(state);
  const choice = document.getElementById("compared");
  choice.hidden = arms.length < 2;
  if (arms.length < 2) return;
  const options = (chosen) => arms.map((arm) => element("option", { value: arm, selected: arm === chosen }, arm));
  choice.elements.a.replaceChildren(...options(a));
  choice.elements.b.replaceChildren(...options(b));
  choice.elements.measure.value = state.get("measure") ?? "evaluations";
  const measure = choice.elements.measure.value;
  const benchmark = benchmarkOf(state);
  const members = rows.filter((row) => row.benchmark === benchmark);
  const weights = report.weights[benchmark];
  const [costA, costB] = [a, b].map((arm) => meanCost(members, arm, measure));
  const lines = [comparisonRow("As they are", difference(members, [[a, 1]], [[b, 1]], weights), [costA, costB])];
  const ofB = mixtureOfCost(members, familyOf(b), measure, costA);
  const ofA = mixtureOfCost(members, familyOf(a), measure, costB);
  const [likeB, likeA] = ["The kind of B at the cost of A", "The kind of A at the cost of B"];
  lines.push(ofB ? comparisonRow(`${likeB}: ${mixtureText(ofB)}`, difference(members, [[a, 1]], ofB, weights), [costA, costA]) : noMixture(likeB, familyOf(b).join(", ")));
  lines.push(ofA ? comparisonRow(`${likeA}: ${mixtureText(ofA)}`, difference(members, ofA, [[b, 1]], weights), [costB, costB]) : noMixture(likeA, familyOf(a).join(", ")));
  const heads = ["", "A, %", "B, %", "B − A, points", `A, ${MEASURES[measure]}`, `B, ${MEASURES[measure]}`, "Pairs"];
  panel.replaceChildren(element("thead", {}, element("tr", {}, ...heads.map((head, place) => (place ? element("th", { scope: "col", class: "number" }, head) : element("td", {}))))),
    element("tbody", {}, ...lines));
  document.getElementById("biased").hidden = report.of === samples.length;
}

function listenToComparison() {
  document.getElementById("compared").addEventListener("input", (event) => {
    location.hash = hashWith({ [event.target.name]: event.target.value });
  });
}
