"use strict";
// Shared by the gallery and the trajectory view. Whatever a model or a prompt wrote goes through textContent alone.

const OUTCOMES = { right: "✓ right", partly: "◐ partly right", wrong: "✗ wrong", failed: "! failed", pending: "… not scored" };
let report = null;
let samples = [];
let sampleById = new Map();
let groups = new Map();
const files = new Map();

/** An element; strings among the children become text nodes, never markup. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** The files of a page that has everything inside it, by their names. */
const inside = document.getElementById("files")
  && new Map(Array.from(document.getElementById("files").content.children, (image) => [image.dataset.name, image.getAttribute("src")]));

/** JSON from the style sheet data/NAME.css, which may be read where a page from the disk may not fetch. */
const sheets = new Map();
function readSheet(name) {
  if (!sheets.has(name)) sheets.set(name, loadSheet(name));
  return sheets.get(name);
}

function loadSheet(name) {
  const link = element("link", { rel: "stylesheet", href: `data/${name}.css` });
  const probe = element("i", { "data-sheet": name, hidden: true });
  return new Promise((resolve, reject) => {
    link.addEventListener("error", () => reject(new Error(`data/${name}.css is missing from this folder.`)));
    const read = () => {
      const style = getComputedStyle(probe);
      const chunks = Array.from({ length: Number(style.getPropertyValue("--parts")) },
        (_, number) => style.getPropertyValue(`--data-${number}`).trim().slice(1, -1).replace(/\\(["\\])/g, "$1"));
      link.remove();
      probe.remove();
      if (chunks.length) resolve(JSON.parse(chunks.join("")));
      else reject(new Error(`data/${name}.css holds no data.`));
    };
    link.addEventListener("load", read);
    document.body.append(probe);
    if (inside) read();
    else document.head.append(link);
  });
}

/** Keeps the files of the images that a sheet refers to by index; returns index → digest. */
function keepFiles(sheet) {
  const [png, thumbs] = [new Set(sheet.png), new Set(sheet.thumbs)];
  const source = (name) => inside?.get(name) ?? name;
  sheet.images.forEach((digest, index) => {
    const file = source(`images/${digest}.${png.has(index) ? "png" : "webp"}`);
    files.set(digest, { file, small: thumbs.has(index) ? source(`thumbs/${digest}.webp`) : file });
  });
  return (index) => (index === null ? null : sheet.images[index]);
}

/** The trajectories and details of a sample and its neighbours. */
const parts = new Map();
function readPart(sample) {
  if (!parts.has(sample.part)) parts.set(sample.part, readSheet(`part-${sample.part}`).then(withDigests));
  return parts.get(sample.part);
}

function withDigests(part) {
  const digestOf = keepFiles(part);
  for (const steps of part.trajectories) for (const step of steps) step.image = digestOf(step.image);
  return part;
}

/** Fills report, samples and the maps over them. */
function receive(data) {
  report = data;
  const digestOf = keepFiles(data);
  const column = Object.fromEntries(report.fields.map((name, index) => [name, index]));
  samples = report.samples.map((row, index) => {
    const [benchmark, itemId, category, prompt] = report.items[row[column.item]];
    const [state, score, arm, seed] = [report.states[row[column.state]], row[column.score], report.arms[row[column.arm]], row[column.seed]];
    const reason = report.reasons[row[column.reason]];
    return {
      index, benchmark, itemId, category, prompt, state, score, arm, seed, reason,
      image: digestOf(row[column.image]),
      evaluations: row[column.evaluations],
      tokens: row[column.tokens],
      seconds: row[column.seconds],
      iterations: row[column.iterations],
      refinements: row[column.refinements],
      cap: report.caps[row[column.arm]],
      part: Math.floor(row[column.item] / report.itemsPerPart),
      group: `${row[column.item]}/${seed}`,
      outcome: outcome(state, score),
      words: `${prompt} ${reason} ${itemId}`.toLowerCase(),
      id: [benchmark, itemId, seed, arm].join("/"),
    };
  });
  sampleById = new Map(samples.map((sample) => [sample.id, sample]));
  groups = groupBy(samples, (sample) => sample.group);
}

function outcome(state, score) {
  if (state === "failed") return "failed";
  if (state !== "scored") return "pending";
  return score >= 1 ? "right" : score > 0 ? "partly" : "wrong";
}

function groupBy(list, key) {
  const grouped = new Map();
  for (const entry of list) {
    const name = key(entry);
    if (grouped.has(name)) grouped.get(name).push(entry);
    else grouped.set(name, [entry]);
  }
  return grouped;
}

/** The sample of another arm for the same prompt and seed. */
function ofArm(sample, arm) {
  return groups.get(sample.group).find((other) => other.arm === arm);
}

function words(name) {
  return name.replaceAll("_", " ");
}

function picture(digest, alt, className = "picture", small = true) {
  if (digest === null || digest === undefined) return element("span", { class: `${className} none` }, "no image");
  const source = files.get(digest)[small ? "small" : "file"];
  return element("img", { class: className, src: source, alt, loading: "lazy", decoding: "async" });
}

function verdict(sample) {
  const score = sample.outcome === "partly" ? ` (${sample.score.toFixed(2)})` : "";
  return element("span", { class: `verdict ${sample.outcome}` }, OUTCOMES[sample.outcome] + score);
}

function cost(of) {
  const parts = [];
  if (of.evaluations) parts.push(`${of.evaluations} sampler steps`);
  if (of.tokens) parts.push(of.tokens === 1 ? "1 token" : `${of.tokens} tokens`);
  if (of.seconds >= 0.005) parts.push(`${of.seconds.toFixed(2)} s`);
  return parts.join(" · ");
}

/** The state of the page lives in the hash: filters, page, and the sample whose trajectory is open. */
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
