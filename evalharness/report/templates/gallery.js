"use strict";
// Filters and cards. Cards are made a page at a time, so that ten thousand samples cost no more than sixty.

const PAGE = 60;
const EVERY = "*";
const form = document.getElementById("filters");
const cards = document.getElementById("cards");
const more = document.getElementById("more");
let shown = [];
let drawn = 0;
let filtered = null;

const baselines = new Map();
for (const sample of samples) if (sample.arm === report.baseline) baselines.set(sample.group, sample);

function versus(sample) {
  const base = baselines.get(sample.group);
  if (!base || base === sample || base.state !== "scored" || sample.state !== "scored") return "";
  return sample.score > base.score ? "better" : sample.score < base.score ? "worse" : "same";
}

function fill(name, choices) {
  form.elements[name].replaceChildren(...choices.map(([value, text]) => element("option", { value, selected: value === "" }, text)));
}

function prepare() {
  const distinct = (name) => [...new Set(samples.map((sample) => sample[name]))];
  const categories = distinct("category");
  const outcomes = distinct("outcome");
  const benchmarks = distinct("benchmark");
  const arms = report.arms.map((arm) => [arm.arm === report.lead ? "" : arm.arm, arm.arm]);
  fill("benchmark", [["", "all"], ...benchmarks.map((name) => [name, report.titles[name]])]);
  fill("arm", [...arms, [EVERY, "all arms"]]);
  fill("category", [["", "all"], ...categories.map((name) => [name, name.replaceAll("_", " ")])]);
  fill("outcome", [["", "all"], ...Object.entries(OUTCOMES).filter(([name]) => outcomes.includes(name))]);
  fill("versus", [["", "all"], ["better", "better"], ["worse", "worse"], ["same", "the same"]]);
  form.querySelector("[data-filter=benchmark]").hidden = benchmarks.length < 2;
  form.querySelector("[data-filter=versus]").hidden = !report.baseline;
}

function matches(state) {
  const arm = state.get("arm") ?? report.lead;
  const words = (state.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return (sample) => (arm === EVERY || sample.arm === arm)
    && ["benchmark", "category", "outcome"].every((name) => !state.get(name) || sample[name] === state.get(name))
    && (!state.get("versus") || versus(sample) === state.get("versus"))
    && words.every((word) => `${sample.prompt} ${sample.reason} ${sample.itemId}`.toLowerCase().includes(word));
}

function card(sample) {
  const seed = report.itemSeeds ? ` · seed ${sample.seed}` : "";
  const link = element("a", { href: hashWith({ sample: sample.id }) },
    picture(sample.image, "", "picture"),
    element("span", { class: "prompt" }, sample.prompt),
    verdict(sample),
    sample.reason ? element("span", { class: "reason" }, sample.reason) : null,
    element("span", { class: "quiet" }, `${sample.arm}${seed}`));
  return element("li", {}, link);
}

function drawMore() {
  cards.append(...shown.slice(drawn, drawn + PAGE).map(card));
  drawn = Math.min(drawn + PAGE, shown.length);
  more.hidden = drawn >= shown.length;
  more.textContent = `Show more (${shown.length - drawn} left)`;
}

function filterCards(state) {
  const wanted = new URLSearchParams(state);
  wanted.delete("sample");
  if (wanted.toString() === filtered) return;
  filtered = wanted.toString();
  shown = samples.filter(matches(state));
  drawn = 0;
  cards.replaceChildren();
  drawMore();
  const count = (name) => shown.filter((sample) => sample.outcome === name).length;
  const parts = Object.keys(OUTCOMES).filter(count).map((name) => `${count(name)} ${OUTCOMES[name].slice(2)}`);
  const detail = parts.length ? `: ${parts.join(", ")}` : "; loosen the filters to see more";
  document.getElementById("count").textContent = `${shown.length} of ${samples.length} samples${detail}.`;
}

function render() {
  const state = readState();
  for (const field of form.elements) if (field.name && field !== document.activeElement) field.value = state.get(field.name) ?? "";
  filterCards(state);
  const sample = sampleById.get(state.get("sample"));
  if (sample) showTrajectory(sample, shown);
  else if (dialog.open) dialog.close();
}

function changed() {
  const values = Object.fromEntries(new FormData(form));
  history.replaceState(null, "", hashWith(values));
  filterCards(readState());
  refreshLinks();
}

/** Links of cards carry the filters, so that the way back from a trajectory leads to the same view. */
function refreshLinks() {
  cards.querySelectorAll("a").forEach((link, place) => { link.href = hashWith({ sample: shown[place].id }); });
}

function go(by) {
  const current = sampleById.get(readState().get("sample"));
  const next = shown[placeOf(current, shown) + by];
  if (next) location.replace(hashWith({ sample: next.id }));
}

report.itemSeeds = samples.some((sample) => sample.seed > 0);
prepare();
form.addEventListener("input", changed);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(changed));
more.addEventListener("click", drawMore);
window.addEventListener("hashchange", render);
dialog.addEventListener("close", () => {
  if (!readState().get("sample")) return;
  history.replaceState(null, "", hashWith({ sample: null }));
});
dialog.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (event.target === dialog || button?.hasAttribute("data-close")) dialog.close();
  else if (button?.dataset.go) go(Number(button.dataset.go));
});
dialog.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input")) return;
  event.preventDefault();
  if (event.shiftKey) moveArm(sampleById.get(readState().get("sample")), by);
  else go(by);
});
render();
