"use strict";
// Shared by the gallery and the trajectory view. Whatever a model or a prompt wrote goes through textContent alone.

const report = window.report;
report.fields.forEach((name, place) => { report.fields[name] = place; });

const samples = report.samples.map((row, index) => {
  const sample = { index };
  for (const name of report.fields) sample[name] = row[report.fields[name]];
  const [benchmark, item, category, prompt] = report.items[sample.item];
  const state = report.states[sample.state];
  const arm = report.arms[sample.arm].arm;
  return Object.assign(sample, {
    benchmark, category, prompt, state, arm,
    part: Math.floor(sample.item / report.itemsPerPart),
    group: `${sample.item}/${sample.seed}`,
    itemId: item,
    cap: report.caps[sample.arm],
    reason: report.reasons[sample.reason],
    outcome: outcome(state, sample.score),
    id: [benchmark, item, sample.seed, arm].join("/"),
  });
});
const sampleById = new Map(samples.map((sample) => [sample.id, sample]));
const groups = groupBy(samples, (sample) => sample.group);
const OUTCOMES = { right: "✓ right", partly: "◐ partly right", wrong: "✗ wrong", failed: "! failed", pending: "… not scored" };

function outcome(state, score) {
  if (state === "failed") return "failed";
  if (state !== "scored") return "pending";
  return score >= 1 ? "right" : score > 0 ? "partly" : "wrong";
}

function groupBy(list, key) {
  const found = new Map();
  for (const entry of list) {
    if (!found.has(key(entry))) found.set(key(entry), []);
    found.get(key(entry)).push(entry);
  }
  return found;
}

/** An element; strings among the children become text nodes, never markup. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

function picture(place, alt, className = "picture") {
  if (place === null || place === undefined) return element("span", { class: `${className} none` }, "no image");
  const source = `images/${report.images[place]}.png`;
  return element("img", { class: className, src: source, alt, loading: "lazy", decoding: "async" });
}

function verdict(sample) {
  const score = sample.outcome === "partly" ? ` (${sample.score.toFixed(2)})` : "";
  return element("span", { class: `verdict ${sample.outcome}` }, OUTCOMES[sample.outcome] + score);
}

function cost(of) {
  const parts = [];
  if (of.evaluations) parts.push(`${of.evaluations} sampler steps`);
  if (of.tokens) parts.push(`${of.tokens} tokens`);
  if (of.seconds >= 0.005) parts.push(`${of.seconds.toFixed(2)} s`);
  return parts.join(" · ");
}

/** The state of the page lives in the hash: filters, and the sample whose trajectory is open. */
function readState() {
  const hash = location.hash.slice(1);
  return new URLSearchParams(hash.includes("=") ? hash : "");
}

function hashWith(changes) {
  const state = readState();
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null) state.delete(name);
    else state.set(name, value);
  }
  return `#${state.toString() || "gallery"}`;
}

/** The trajectories of some prompts: a script that calls report.receive, for a page from a file may not fetch. */
const parts = new Map();
const waiting = new Map();
report.receive = ([number, part]) => {
  parts.set(number, part);
  waiting.get(number)?.();
};

function loadPart(number) {
  if (parts.has(number)) return Promise.resolve(parts.get(number));
  return new Promise((resolve, reject) => {
    waiting.set(number, () => resolve(parts.get(number)));
    const script = element("script", { src: `data/part-${number}.js` });
    script.addEventListener("error", () => reject(new Error(`data/part-${number}.js is missing from this folder.`)));
    document.head.append(script);
  });
}
