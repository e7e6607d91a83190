"use strict";
// The dialog: how one sample came about, what the scorer saw, and what the other arms made of the same prompt and seed.

const dialog = document.getElementById("trajectory");
const body = document.getElementById("trajectory-body");
const BOX_COLORS = ["#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#F0E442", "#0072B2"];

function stepsOf(part, sample) {
  const place = part.samples[sample.index][0];
  const steps = place === null ? [] : part.trajectories[place];
  return sample.cap === null ? steps : steps.filter((step) => step.iteration <= sample.cap);
}

function detailsOf(part, sample) {
  const place = part.samples[sample.index][1];
  return place === null ? {} : part.details[place];
}

/** Where a sample, or else another arm's of the same prompt and seed, stands among those that the filters show. */
function placeOf(sample, shown) {
  const place = shown.indexOf(sample);
  return place >= 0 ? place : shown.findIndex((other) => other.group === sample.group);
}

async function showTrajectory(sample, shown) {
  const place = placeOf(sample, shown);
  document.getElementById("position").textContent = place < 0 ? "" : `${place + 1} of ${shown.length}`;
  try {
    const part = await loadPart(sample.part);
    if (readState().get("sample") !== sample.id) return;
    body.replaceChildren(heading(sample), finalImage(part, sample), stepsSection(part, sample), otherArms(part, sample));
  } catch (error) {
    body.replaceChildren(heading(sample), element("p", { class: "warning" }, error.message));
  }
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function heading(sample) {
  const title = element("h2", { id: "trajectory-title" }, sample.prompt);
  const facts = [report.titles[sample.benchmark], sample.category.replaceAll("_", " "), `item ${sample.itemId}`, `seed index ${sample.seed}`];
  return element("header", {}, title, element("p", { class: "quiet" }, facts.join(" · ")));
}

function finalImage(part, sample) {
  const details = detailsOf(part, sample);
  const detections = (Array.isArray(details.detections) ? details.detections : []).filter((d) => Array.isArray(d.box));
  const frame = element("div", { class: "frame" }, picture(sample.image, `Final image of ${sample.arm}`, "final"));
  const image = frame.querySelector("img");
  if (image && detections.length) {
    const draw = () => frame.append(overlay(image, detections));
    if (image.complete && image.naturalWidth) draw();
    else image.addEventListener("load", draw, { once: true });
  }
  const text = element("div", { class: "found" },
    element("p", { class: "arm" }, sample.arm, " ", verdict(sample)),
    sample.reason ? element("p", { class: "reason" }, sample.reason) : null,
    element("p", { class: "quiet" }, cost(sample)),
    detections.length ? detectionTable(detections) : null,
    judgeSaid(details),
    evidence(details));
  if (image && detections.length) text.append(boxSwitch(frame));
  return element("section", { class: "outcome" }, frame, text);
}

function boxSwitch(frame) {
  const box = element("input", { type: "checkbox", checked: true });
  box.addEventListener("change", () => frame.classList.toggle("bare", !box.checked));
  return element("label", { class: "switch" }, box, " show the scorer's boxes");
}

function colorOf(detections, detection) {
  const classes = [...new Set(detections.map((entry) => entry.class))];
  return BOX_COLORS[classes.indexOf(detection.class) % BOX_COLORS.length];
}

function labelOf(detection) {
  const score = typeof detection.score === "number" ? detection.score.toFixed(2) : "";
  return [detection.color, detection.class, score].filter(Boolean).join(" ");
}

/** Boxes over the image in its own pixels; shapes are cloned from a template. */
function overlay(image, detections) {
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const svg = document.getElementById("overlay").content.firstElementChild.cloneNode(true);
  const [rect, text] = [svg.querySelector("rect"), svg.querySelector("text")];
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", `Detected: ${detections.map(labelOf).join("; ")}`);
  const size = width / 22;
  for (const detection of detections) {
    const [x1, y1, x2, y2] = detection.box.map(Number);
    const box = rect.cloneNode();
    const place = { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) };
    for (const [name, value] of Object.entries(place)) box.setAttribute(name, value);
    box.setAttribute("stroke", colorOf(detections, detection));
    const label = text.cloneNode();
    const words = labelOf(detection);
    label.textContent = words;
    label.setAttribute("font-size", size);
    label.setAttribute("stroke-width", size / 4);
    label.setAttribute("x", Math.max(1, Math.min(x1, width - words.length * size * 0.55)));
    label.setAttribute("y", y1 > size * 1.3 ? y1 - size * 0.3 : y1 + size);
    label.setAttribute("fill", colorOf(detections, detection));
    svg.append(box, label);
  }
  return svg;
}

function detectionTable(detections) {
  const rows = detections.map((detection) => {
    const mark = element("i", { class: "swatch", "aria-hidden": "true" });
    mark.style.background = colorOf(detections, detection);
    const score = typeof detection.score === "number" ? detection.score.toFixed(2) : "";
    return element("tr", {}, element("td", {}, mark, String(detection.class)),
      element("td", { class: "number" }, score), element("td", {}, detection.color ? String(detection.color) : "–"));
  });
  const head = element("tr", {}, ...["Found", "Score", "Colour"].map((name) => element("th", { scope: "col" }, name)));
  return element("table", { class: "detections" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

/** What a judge said, whole; of several tries the last counted. */
function judgeSaid(details) {
  const replies = (Array.isArray(details.replies) ? details.replies : []).filter((reply) => typeof reply.text === "string");
  if (!replies.length) return null;
  return element("div", { class: "replies" }, element("h4", {}, "The judge said"),
    ...replies.map((reply) => element("pre", {}, reply.text)));
}

function evidence(details) {
  const rest = Object.entries(details).filter(([name]) => name !== "detections");
  if (!rest.length) return null;
  const text = JSON.stringify(Object.fromEntries(rest), null, 2);
  return element("details", {}, element("summary", {}, "The scorer's other evidence"), element("pre", {}, text));
}

function stepsSection(part, sample) {
  const iterations = [...groupBy(stepsOf(part, sample), (step) => step.iteration)];
  const rows = iterations.map(([iteration, steps]) => element("div", { class: "iteration" },
    iteration ? element("h4", {}, `Iteration ${iteration}`) : null,
    element("ol", { class: "steps" }, ...steps.map(stepCard))));
  if (!rows.length) rows.push(element("p", {}, "No step was recorded."));
  return element("section", {}, element("h3", {}, "Steps"), ...rows);
}

function stepCard(step) {
  return element("li", { class: "step" },
    element("h5", {}, step.kind),
    step.image === null ? null : picture(step.image, `${step.kind}, iteration ${step.iteration}`, "stage"),
    step.text ? element("p", { class: "text" }, step.text) : null,
    element("p", { class: "quiet" }, cost(step)));
}

function otherArms(part, sample) {
  const rows = groups.get(sample.group).map((other) => {
    const images = stepsOf(part, other).filter((step) => step.image !== null);
    const strip = element("span", { class: "strip" }, ...images.map((step) => picture(step.image, `${step.kind} ${step.iteration}`, "thumb")));
    const current = other === sample ? "true" : null;
    const name = element("span", { class: "name" }, other.arm, element("br"), verdict(other));
    return element("li", {}, element("a", { href: hashWith({ sample: other.id }), "aria-current": current }, name, strip),
      other.reason ? element("p", { class: "reason" }, other.reason) : null);
  });
  return element("section", {}, element("h3", {}, "All arms, same prompt and seed"), element("ol", { class: "arms" }, ...rows));
}

function moveArm(sample, by) {
  const arms = groups.get(sample.group);
  const next = arms[arms.indexOf(sample) + by];
  if (next) location.replace(hashWith({ sample: next.id }));
}
