"use strict";
// What people say of the scorer's verdicts: kept in this browser, and saved to a file for `evalharness annotations add`.

const SAYINGS = { agree: "I agree", disagree: "I disagree" };
let unsaved = null;

function annotationsKey() {
  return `evalharness annotations ${report.run}`;
}

/** By benchmark, item and image; in memory alone where the browser keeps nothing for files. */
function annotations() {
  if (unsaved) return unsaved;
  try {
    return JSON.parse(localStorage.getItem(annotationsKey()) ?? "{}");
  } catch {
    return {};
  }
}

function keepAnnotations(all) {
  try {
    localStorage.setItem(annotationsKey(), JSON.stringify(all));
  } catch {
    unsaved = all;
  }
  showExport();
}

function annotate(sample, changes) {
  const all = annotations();
  const place = [sample.benchmark, sample.itemId, sample.image].join("/");
  const entry = { note: "", ...all[place], ...changes };
  if (entry.verdict) {
    all[place] = { ...entry, benchmark: sample.benchmark, item: sample.itemId, image: sample.image, score: sample.score };
  }
  keepAnnotations(all);
}

/** The choice between agree and disagree, and a note, for the verdict on a sample's image. */
function annotation(sample, name = "verdict") {
  if (sample.state !== "scored" || sample.image === null) return null;
  const entry = annotations()[[sample.benchmark, sample.itemId, sample.image].join("/")] ?? {};
  const choices = Object.entries(SAYINGS).map(([value, text]) => element("label", {},
    element("input", { type: "radio", name: `annotation-${name}`, value, checked: entry.verdict === value }), ` ${text}`));
  const note = element("input", { type: "text", maxlength: 2000, value: entry.note ?? "", autocomplete: "off" });
  const box = element("fieldset", { class: "annotation" }, element("legend", {}, "The scorer's verdict"), ...choices, element("label", {}, "Note ", note));
  box.addEventListener("change", (event) => {
    annotate(sample, event.target === note ? { note: note.value } : { verdict: event.target.value, note: note.value });
  });
  return box;
}

function showExport() {
  const count = Object.keys(annotations()).length;
  const place = document.getElementById("export");
  place.hidden = count === 0;
  place.querySelector("span").textContent = count === 1 ? "1 verdict of yours" : `${count} verdicts of yours`;
}

function saveAnnotations() {
  const lines = Object.values(annotations()).map((entry) => `${JSON.stringify(entry)}\n`);
  const address = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  const link = element("a", { href: address, download: "annotations.jsonl" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function listenToExport() {
  document.querySelector("#export button").addEventListener("click", saveAnnotations);
  showExport();
}
