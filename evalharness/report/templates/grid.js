"use strict";
// Prompts × arms. All state is in the hash; a page of rows at a time is in the document, however many there are.

const PICTURES = 240;
const RANDOM_ROWS = 12;
const LIMITS = ["iterations", "evaluations"];
const CONDITIONS = ["outcome", "refined", "iterations-from", "iterations-to", "evaluations-from", "evaluations-to"];
const form = document.getElementById("filters");
const grid = document.getElementById("grid");
const pager = document.getElementById("pager");
let rows = [];
let shown = [];
let arms = [];

/** A row for each prompt and seed, with the samples by arm. */
function makeRows() {
  rows = [...groups.values()].map((members) => {
    const { benchmark, itemId, category, prompt, seed, part, group } = members[0];
    return {
      benchmark, itemId, category, prompt, seed, part, group,
      byArm: new Map(members.map((sample) => [sample.arm, sample])),
      words: members.map((sample) => sample.words).join(" "),
    };
  });
}

function fill(name, choices) {
  form.elements[name].replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
}

function prepare() {
  const distinct = (name) => [...new Set(samples.map((sample) => sample[name]))];
  const benchmarks = distinct("benchmark");
  report.severalSeeds = distinct("seed").length > 1;
  fill("benchmark", benchmarks.map((name) => [name, report.titles[name]]));
  form.elements.benchmark.closest("label").hidden = benchmarks.length < 2;
  fill("category", [["", "all"], ...distinct("category").map((name) => [name, words(name)])]);
  fill("outcome", [["", "any"], ...Object.entries(OUTCOMES).filter(([name]) => distinct("outcome").includes(name))]);
  fill("of", [["", "any arm"], ...report.arms.map((arm) => [arm, arm])]);
  const choices = report.arms.map((arm) => element("label", {}, element("input", { type: "checkbox", name: "arm", value: arm }), ` ${arm}`));
  document.getElementById("columns").append(...choices);
}

function benchmarkOf(state) {
  return state.get("benchmark") || samples[0]?.benchmark;
}

/** Whether a sample is within the limits that the form sets. */
function holds(state) {
  const limits = LIMITS.map((name) => [name, state.get(`${name}-from`), state.get(`${name}-to`)]);
  const [result, refined] = [state.get("outcome"), state.get("refined")];
  return (sample) => sample !== undefined
    && (!result || sample.outcome === result)
    && (!refined || (sample.refinements !== null && (sample.refinements > 0) === (refined === "yes")))
    && limits.every(([name, from, to]) => (!from || (sample[name] ?? NaN) >= Number(from)) && (!to || (sample[name] ?? NaN) <= Number(to)));
}

function matches(state) {
  const [category, of, benchmark] = [state.get("category"), state.get("of"), benchmarkOf(state)];
  const wanted = (state.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const within = CONDITIONS.some((name) => state.get(name)) ? holds(state) : null;
  return (row) => row.benchmark === benchmark
    && (!category || row.category === category)
    && wanted.every((word) => row.words.includes(word))
    && (!within || (of ? [of] : arms).some((arm) => within(row.byArm.get(arm))))
    && (!state.get("differ") || differs(row));
}

/** Whether verdicts differ: of any arms that are shown, or in a comparison of runs of an arm and its partner. */
function differs(row) {
  if (report.partners) {
    const pairs = arms.map((arm) => [scoredOf(row, arm)?.score, scoredOf(row, report.partners[arm])?.score]);
    return pairs.some(([one, other]) => one !== undefined && other !== undefined && one !== other);
  }
  return new Set(arms.map((arm) => scoredOf(row, arm)?.score).filter((score) => score !== undefined)).size > 1;
}

/** A number from a text, the same each time (FNV-1a). */
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let place = 0; place < text.length; place += 1) hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193);
  return hash >>> 0;
}

function sampled(state, found) {
  const seed = state.get("random");
  if (!seed) return found;
  const kept = new Set([...found].sort((a, b) => hashOf(seed + a.group) - hashOf(seed + b.group)).slice(0, RANDOM_ROWS));
  return found.filter((row) => kept.has(row));
}

function cell(row, arm) {
  const sample = row.byArm.get(arm);
  if (!sample) return element("td", {}, "–");
  const name = `${arm}: ${OUTCOMES[sample.outcome].slice(2)}. ${row.prompt}`;
  return element("td", {}, element("button", { type: "button", class: "open", "data-id": sample.id, "aria-label": `Compare ${name}` },
    picture(sample.image, ""), verdict(sample)));
}

function gridRow(row) {
  const facts = [words(row.category), `item ${row.itemId}`, report.severalSeeds ? `seed ${row.seed}` : ""].filter(Boolean).join(" · ");
  return element("tr", {}, element("th", { scope: "row" }, row.prompt, element("small", {}, facts)), ...arms.map((arm) => cell(row, arm)));
}

function drawGrid(state) {
  const size = Math.max(1, Math.floor(PICTURES / Math.max(1, arms.length)));
  const pages = Math.max(1, Math.ceil(shown.length / size));
  const page = Math.min(pages, Math.max(1, Number.parseInt(state.get("page") ?? "1", 10) || 1));
  const first = (page - 1) * size;
  grid.tHead.replaceChildren(element("tr", {}, element("th", { scope: "col" }, "Prompt"), ...arms.map((arm) => element("th", { scope: "col" }, arm))));
  grid.tBodies[0].replaceChildren(...shown.slice(first, first + size).map(gridRow));
  const turn = (to, text) => (to < 1 || to > pages ? element("span", { class: "quiet" }, text)
    : element("a", { href: hashWith({ page: to === 1 ? null : to }) }, text));
  pager.hidden = pages < 2;
  pager.replaceChildren(turn(page - 1, "← Previous"), element("span", {}, `${first + 1}–${Math.min(first + size, shown.length)} of ${shown.length}`), turn(page + 1, "Next →"));
}

function say(state, found) {
  const all = rows.filter((row) => row.benchmark === benchmarkOf(state)).length;
  const part = report.of > samples.length ? ` This page holds a part of the run: ${samples.length} of ${report.of} samples.` : "";
  const random = state.get("random") ? `${shown.length} of them at random. ` : "";
  const none = found ? "" : " Loosen the filters to see more.";
  document.getElementById("count").textContent = `${found} of ${all} prompts and seeds. ${random}${part}${none}`;
}

/** What a field has if the hash says nothing. */
function usualValue(name) {
  return { benchmark: samples[0]?.benchmark, size: "8" }[name] ?? "";
}

function showState(state) {
  const hidden = state.getAll("hide");
  for (const field of form.elements) {
    if (field.type === "checkbox" && field.name === "arm") field.checked = !hidden.includes(field.value);
    else if (field.type === "checkbox") field.checked = Boolean(state.get(field.name));
    else if (field.name && field !== document.activeElement) field.value = state.get(field.name) ?? usualValue(field.name);
  }
  arms = report.arms.filter((arm) => !hidden.includes(arm) && samples.some((sample) => sample.arm === arm));
  grid.style.setProperty("--size", `${state.get("size") ?? 8}rem`);
}

function render() {
  const state = readState();
  showState(state);
  const found = rows.filter(matches(state));
  shown = sampled(state, found);
  say(state, found.length);
  drawGrid(state);
  drawComparison(state);
  showViewer(state);
}

function applyForm() {
  const state = readState();
  for (const field of form.elements) {
    if (!field.name || field.name === "arm") continue;
    const value = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value;
    if (value === usualValue(field.name)) state.delete(field.name);
    else state.set(field.name, value);
  }
  state.delete("page");
  state.delete("hide");
  for (const field of form.querySelectorAll("[name=arm]:not(:checked)")) state.append("hide", field.value);
  history.replaceState(null, "", `#${state.toString() || "gallery"}`);
  render();
}

/** Arrow keys go from picture to picture. */
function moveFocus(event) {
  const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  const place = event.target.closest("td");
  if (!place || !(right || down) || event.altKey || event.ctrlKey || event.metaKey) return;
  const row = place.parentElement;
  const to = down ? grid.tBodies[0].rows[row.sectionRowIndex + down]?.cells[place.cellIndex] : row.cells[place.cellIndex + right];
  const button = to?.querySelector("button");
  if (!button) return;
  event.preventDefault();
  button.focus();
}

/** A link to a sample opens its row. */
function followLink() {
  showState(readState());
  const sample = sampleById.get(readState().get("sample"));
  if (sample) history.replaceState(null, "", rowLink(sample));
}

function listen() {
  form.addEventListener("input", applyForm);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    history.replaceState(null, "", "#gallery");
    render();
  }));
  document.getElementById("random").addEventListener("click", () => {
    location.hash = hashWith({ random: String(1 + Math.floor(Math.random() * 1e6)), page: null });
  });
  document.getElementById("all").addEventListener("click", () => { location.hash = hashWith({ random: null, page: null }); });
  grid.addEventListener("keydown", moveFocus);
  grid.addEventListener("click", (event) => {
    const button = event.target.closest("button.open");
    if (button) openViewer(sampleById.get(button.dataset.id));
  });
  window.addEventListener("hashchange", render);
  listenToComparison();
  listenToViewer();
}

readSheet("samples").then((data) => {
  receive(data);
  makeRows();
  prepare();
  listen();
  listenToExport();
  followLink();
  render();
  form.hidden = false;
  document.documentElement.dataset.ready = "grid";
  performance.mark("grid");
}).catch((error) => {
  document.getElementById("count").textContent = `The samples cannot be shown: ${error.message}`;
});
