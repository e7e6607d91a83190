"use strict";
// The page of a run in progress: asks for the state again and again, and changes what has changed.

const EVERY = 2000;
const drawn = new Map();

/** Fills a place, if what it shows has changed. */
function fillPlace(id, data, nodes) {
  const text = JSON.stringify(data);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  document.getElementById(id).replaceChildren(...nodes());
}

function scoreTable(benchmark) {
  const head = ["Arm", benchmark.rows.some((row) => row.provisional) ? "Score so far, %" : "Score, %", "Scored", ...(benchmark.rows.some((row) => row.failed) ? ["Failed"] : [])];
  const heads = head.map((text, place) => element("th", { scope: "col", class: place ? "number" : null }, text));
  const rows = benchmark.rows.map((row) => element("tr", {}, element("th", { scope: "row" }, row.arm),
    element("td", { class: row.provisional ? "number incomplete" : "number" }, row.score, " ", element("small", {}, row.interval)),
    element("td", { class: "number" }, row.scored), head.length > 3 ? element("td", { class: "number" }, row.failed) : null));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  return [element("h3", {}, benchmark.name),
    element("div", { class: "scroll compact", tabindex: "0", role: "region", "aria-label": `Scores so far on ${benchmark.name}` }, table)];
}

function stageFact(stage) {
  const bar = element("progress", { max: Math.max(1, stage.total), value: stage.done, "aria-label": `${stage.name}: ${stage.text}` });
  return element("div", {}, element("dt", {}, stage.name), element("dd", {}, bar, [stage.text, stage.left].filter(Boolean).join(", ")));
}

function newPicture(entry) {
  const image = element("img", { class: "picture", src: `images/${entry.image}.png`, alt: `${entry.arm}: ${entry.prompt}`, decoding: "async" });
  return element("li", {}, image, element("span", { class: `verdict ${entry.style}` }, entry.verdict),
    element("span", { class: "prompt" }, entry.prompt), element("span", { class: "quiet" }, entry.arm),
    entry.reason ? element("span", { class: "reason" }, entry.reason) : null);
}

function show(state) {
  const benchmarks = state.benchmarks ?? [];
  document.title = `${state.running ? "▶" : "■"} ${state.name} – run`;
  const claim = [state.state, state.counts].filter(Boolean).join(" ");
  fillPlace("state", claim, () => [claim]);
  document.getElementById("report").hidden = !state.report;
  document.getElementById("problem").hidden = !state.problem;
  fillPlace("problem", state.problem, () => [state.problem]);
  fillPlace("tables", benchmarks, () => benchmarks.flatMap(scoreTable));
  document.getElementById("provisional").hidden = !benchmarks.some((benchmark) => benchmark.rows.some((row) => row.provisional));
  const workers = state.workers ? [element("div", {}, element("dt", {}, "workers"), element("dd", {}, state.workers))] : [];
  fillPlace("stages", [state.stages, state.workers], () => [...state.stages.map(stageFact), ...workers]);
  const [failures, pictures] = [state.failures ?? [], state.pictures ?? []];
  document.getElementById("failed").hidden = failures.length === 0;
  fillPlace("failures", failures, () => failures.map((line) => element("li", {}, line)));
  document.getElementById("newest").hidden = pictures.length === 0;
  fillPlace("pictures", pictures, () => pictures.map(newPicture));
}

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch("state.json", { cache: "no-store" });
      show(await answer.json());
      document.body.classList.remove("stale");
      document.documentElement.dataset.ready = "view";
    } catch {
      document.body.classList.add("stale");
      fillPlace("state", "gone", () => ["evalharness view has ended; what is shown is what it saw last."]);
    }
  }
  setTimeout(look, EVERY);
}

look();
