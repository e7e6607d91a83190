"use strict";
// Filters and cards. All state is in the hash; a page of cards at a time is in the document, however many samples there are.

const PAGE = 60;
const EVERY = "*";
const FILTERS = ["benchmark", "arm", "category", "outcome", "vs", "change", "q"];
const CHANGES = {
  fixed: "fixed: right, the other wrong",
  broken: "broken: wrong, the other right",
  "both-right": "both right",
  "both-wrong": "both wrong",
  better: "higher score",
  worse: "lower score",
};
const form = document.getElementById("filters");
const cards = document.getElementById("cards");
const pager = document.getElementById("pager");
let shown = [];
let filtered = null;

function changeOf(sample, other) {
  if (!other || other === sample || other.state !== "scored" || sample.state !== "scored") return [];
  const [right, was] = [sample.outcome === "right", other.outcome === "right"];
  const changes = [right ? (was ? "both-right" : "fixed") : (was ? "broken" : "both-wrong")];
  if (sample.score !== other.score) changes.push(sample.score > other.score ? "better" : "worse");
  return changes;
}

function fill(name, choices) {
  form.elements[name].replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
}

function prepare() {
  const distinct = (name) => [...new Set(samples.map((sample) => sample[name]))];
  const [benchmarks, outcomes] = [distinct("benchmark"), distinct("outcome")];
  const graded = outcomes.includes("partly");
  const changes = Object.entries(CHANGES).filter(([name]) => graded || !["better", "worse"].includes(name));
  report.severalSeeds = distinct("seed").length > 1;
  fill("benchmark", [["", "all"], ...benchmarks.map((name) => [name, report.titles[name]])]);
  fill("arm", [["", report.lead], ...report.arms.filter((arm) => arm !== report.lead).map((arm) => [arm, arm]), [EVERY, "all arms"]]);
  fill("category", [["", "all"], ...distinct("category").map((name) => [name, words(name)])]);
  fill("outcome", [["", "all"], ...Object.entries(OUTCOMES).filter(([name]) => outcomes.includes(name))]);
  fill("vs", [["", report.baseline ?? "none"], ...report.arms.filter((arm) => arm !== report.baseline).map((arm) => [arm, arm])]);
  fill("change", [["", "all"], ...changes]);
  form.querySelector("[data-filter=benchmark]").hidden = benchmarks.length < 2;
  form.querySelectorAll("[data-filter=vs], [data-filter=change]").forEach((label) => { label.hidden = report.arms.length < 2; });
}

function matches(state) {
  const arm = state.get("arm") ?? report.lead;
  const versus = state.get("vs") ?? report.baseline;
  const change = state.get("change");
  const words = (state.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const same = ["benchmark", "category", "outcome"].filter((name) => state.get(name)).map((name) => [name, state.get(name)]);
  return (sample) => (arm === EVERY || sample.arm === arm)
    && same.every(([name, value]) => sample[name] === value)
    && words.every((word) => sample.words.includes(word))
    && (!change || changeOf(sample, ofArm(sample, versus)).includes(change));
}

/** The arm beside which cards show theirs; none unless two arms are compared. */
function companion(state) {
  return state.get("vs") || state.get("change") ? state.get("vs") ?? report.baseline : null;
}

function card(sample, versus) {
  const seed = report.severalSeeds ? ` · seed ${sample.seed}` : "";
  const other = versus && versus !== sample.arm ? ofArm(sample, versus) : null;
  const half = (of) => element("span", { class: "one" }, picture(of.image, ""), verdict(of), element("span", { class: "quiet" }, of.arm));
  return element("li", { class: other ? "pair" : null }, element("a", { href: hashWith({ sample: sample.id }), "data-id": sample.id },
    element("span", { class: "images" }, other ? half(other) : null, half(sample)),
    element("span", { class: "prompt" }, sample.prompt),
    sample.reason ? element("span", { class: "reason" }, sample.reason) : null,
    element("span", { class: "quiet" }, `${words(sample.category)}${seed}`)));
}

function filterKey(state) {
  return FILTERS.map((name) => state.get(name) ?? "").join("\n");
}

function filterCards(state) {
  if (filterKey(state) !== filtered) {
    filtered = filterKey(state);
    shown = samples.filter(matches(state));
    const counts = groupBy(shown, (sample) => sample.outcome);
    const parts = Object.keys(OUTCOMES).filter((name) => counts.has(name)).map((name) => `${counts.get(name).length} ${OUTCOMES[name].slice(2)}`);
    const detail = parts.length ? `: ${parts.join(", ")}` : "; loosen the filters to see more";
    const part = report.of > samples.length ? ` of this page (${report.of} in the run)` : "";
    document.getElementById("count").textContent = `${shown.length} of ${samples.length} samples${part}${detail}.`;
  }
  drawPage(state);
}

function drawPage(state) {
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  const page = Math.min(pages, Math.max(1, Number.parseInt(state.get("page") ?? "1", 10) || 1));
  const first = (page - 1) * PAGE;
  const versus = companion(state);
  const turned = pager.contains(document.activeElement);
  cards.replaceChildren(...shown.slice(first, first + PAGE).map((sample) => card(sample, versus)));
  pager.hidden = pages < 2;
  const turn = (to, text) => (to < 1 || to > pages ? element("span", { class: "quiet" }, text)
    : element("a", { href: hashWith({ page: to === 1 ? null : to }), "data-page": to }, text));
  pager.replaceChildren(turn(page - 1, "← Previous"), element("span", {}, `${first + 1}–${Math.min(first + PAGE, shown.length)} of ${shown.length}`), turn(page + 1, "Next →"));
  if (turned) cards.querySelector("a")?.focus();
}

function render() {
  const state = readState();
  for (const field of form.elements) if (field.name && field !== document.activeElement) field.value = state.get(field.name) ?? "";
  const sample = sampleById.get(state.get("sample"));
  if (!sample || filterKey(state) !== filtered) filterCards(state);
  if (sample) showTrajectory(sample, shown);
  else if (dialog.open) dialog.close();
}

function applyForm() {
  const values = Object.fromEntries(new FormData(form));
  history.replaceState(null, "", hashWith({ ...values, page: null }));
  filterCards(readState());
}

function moveSample(by) {
  const next = shown[placeOf(sampleById.get(readState().get("sample")), shown) + by];
  if (next) location.replace(hashWith({ sample: next.id }));
}

/** Back to the cards: those of the page that the last sample is on, and the focus on its card. */
function returnToCards() {
  const last = readState().get("sample");
  if (!last) return;
  const page = Math.floor(Math.max(0, placeOf(sampleById.get(last), shown)) / PAGE) + 1;
  history.replaceState(null, "", hashWith({ sample: null, page: page === 1 ? null : page }));
  filterCards(readState());
  cards.querySelector(`a[data-id="${CSS.escape(last)}"]`)?.focus();
}

function toGallery(event) {
  const link = event.target.closest("a[href^='#']");
  if (link?.hash.includes("=") && !link.hash.includes("sample=")) document.getElementById("gallery").scrollIntoView();
}

function listen() {
  form.addEventListener("input", applyForm);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(applyForm));
  document.addEventListener("click", toGallery);
  window.addEventListener("hashchange", render);
  dialog.addEventListener("close", returnToCards);
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (event.target === dialog || button?.hasAttribute("data-close")) dialog.close();
    else if (button?.dataset.go) moveSample(Number(button.dataset.go));
  });
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, [tabindex='0']")) return;
    event.preventDefault();
    if (event.shiftKey) moveArm(sampleById.get(readState().get("sample")), by);
    else moveSample(by);
  });
}

readSheet("samples").then((data) => {
  receive(data);
  prepare();
  listen();
  listenToExport();
  render();
  form.hidden = false;
  const state = readState();
  if (FILTERS.some((name) => state.get(name)) && !state.get("sample")) document.getElementById("gallery").scrollIntoView();
  document.documentElement.dataset.ready = "gallery";
  performance.mark("gallery");
}).catch((error) => {
  document.getElementById("count").textContent = `The samples cannot be shown: ${error.message}`;
});
