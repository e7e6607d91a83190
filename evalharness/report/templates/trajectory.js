"use strict";
// The dialog: how a sample came about, what the scorer saw, and what the other arms made of the same prompt and seed.

const dialog = document.getElementById("trajectory");
const body = document.getElementById("trajectory-body");
const STAGES = ["plan", "sketch", "inspect", "refine", "think", "draw"];
let boxes = true;

/** The steps of an arm: those of a trajectory that its cap lets it see. */
function stepsOf(part, sample) {
  const place = part.samples[sample.index][0];
  const steps = place === null ? [] : part.trajectories[place];
  return sample.cap === null ? steps : steps.filter((step) => step.iteration <= sample.cap);
}

/** The position of a sample, or else of another arm's for the same prompt and seed, among those that the filters show. */
function placeOf(sample, shown) {
  const place = shown.indexOf(sample);
  return place >= 0 ? place : shown.findIndex((other) => other.group === sample.group);
}

async function showTrajectory(sample, shown) {
  const place = placeOf(sample, shown);
  document.getElementById("position").textContent = place < 0 ? "" : `${place + 1} of ${shown.length}`;
  dialog.querySelector("[data-go='-1']").disabled = place <= 0;
  dialog.querySelector("[data-go='1']").disabled = place < 0 || place === shown.length - 1;
  try {
    const part = await readPart(sample);
    if (readState().get("sample") !== sample.id) return;
    body.replaceChildren(heading(sample), ...arms(part, sample));
  } catch (error) {
    body.replaceChildren(heading(sample), element("p", { class: "warnings" }, error.message));
  }
  body.classList.toggle("bare", !boxes);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function heading(sample) {
  const facts = [report.titles[sample.benchmark], words(sample.category), `item ${sample.itemId}`, `seed index ${sample.seed}`];
  return element("header", {}, element("h2", { id: "trajectory-title" }, sample.prompt),
    element("p", { class: "quiet" }, facts.join(" · ")));
}

/** The sample in full, and beneath it the other arms; those that made the very same share a row. */
function arms(part, sample) {
  const group = groups.get(sample.group);
  const scored = new Map();
  for (const member of group) {
    if (member.state === "scored" && member.image !== null && !scored.has(member.image)) scored.set(member.image, member);
  }
  const seen = (place) => scored.get(place);
  const alike = [...groupBy(group, (member) => JSON.stringify([part.samples[member.index][0], stepsOf(part, member).length, member.image, member.state])).values()];
  const twins = alike.find((members) => members.includes(sample));
  const otherArms = alike.filter((members) => members !== twins);
  const sections = [full(part, sample, twins.filter((twin) => twin !== sample), seen)];
  if (otherArms.length) {
    sections.push(element("section", { class: "others", "aria-labelledby": "others-title" },
      element("h3", { id: "others-title" }, "Same prompt and seed, other arms"), ...otherArms.map((members) => row(part, members, seen))));
  }
  return sections;
}

function full(part, sample, twins, seen) {
  const details = detailsOf(part, sample);
  const detections = detectionsOf(details);
  return element("section", { class: "full", "aria-label": sample.arm },
    element("div", { class: "outcome" },
      framed(part, sample.image, `Final image of ${sample.arm}`, "final", seen),
      element("div", { class: "found" },
        element("h3", {}, sample.arm, " ", verdict(sample)),
        sample.reason ? element("p", { class: "reason" }, sample.reason) : null,
        element("p", { class: "quiet" }, cost(sample)),
        annotation(sample),
        twins.length ? element("p", { class: "quiet" }, "The very same: ", ...links(twins)) : null,
        detections.length ? detectionTable(detections) : null,
        detections.length ? boxSwitch() : null,
        judgeReplies(details), evidence(details))),
    steps(part, sample, seen));
}

function row(part, members, seen) {
  const [first] = members;
  const drawn = stepsOf(part, first).filter((step) => step.image !== null);
  const strip = drawn.map((step) => picture(step.image, `${step.kind}, iteration ${step.iteration}`, "thumb"));
  const more = element("details", {}, element("summary", {}, "Steps and evidence"));
  more.addEventListener("toggle", () => {
    const details = detailsOf(part, first);
    if (more.childElementCount === 1) more.append(...[steps(part, first, seen), judgeReplies(details), evidence(details)].filter(Boolean));
  });
  return element("article", { class: "row", "aria-label": members.map((member) => member.arm).join(", ") },
    framed(part, first.image, `Final image of ${first.arm}`, "final", seen),
    element("div", { class: "found" },
      element("p", { class: "arm" }, ...links(members), " ", verdict(first)),
      first.reason ? element("p", { class: "reason" }, first.reason) : null,
      element("p", { class: "quiet" }, cost(first)),
      strip.length > 1 ? element("p", { class: "strip" }, ...strip) : null,
      more));
}

function links(members) {
  return members.flatMap((member, index) => [index ? ", " : "", element("a", { href: hashWith({ sample: member.id }) }, member.arm)]);
}

/** An image under the scorer's boxes, if it was scored: as a final image, be it another arm's. */
function framed(part, place, alt, className, seen) {
  const frame = element("div", { class: "frame" }, picture(place, alt, className, false));
  const image = frame.querySelector("img");
  const scored = seen(place);
  if (image && scored) drawBoxes(frame, image, detectionsOf(detailsOf(part, scored)));
  return frame;
}

function boxSwitch() {
  const box = element("input", { type: "checkbox", checked: boxes });
  box.addEventListener("change", () => {
    boxes = box.checked;
    body.classList.toggle("bare", !boxes);
  });
  return element("label", { class: "switch" }, box, " show the scorer's boxes");
}

function detectionTable(detections) {
  const rows = detections.map((detection) => {
    const mark = element("i", { class: "swatch", "aria-hidden": "true" });
    mark.style.background = colorOf(detections, detection);
    const score = typeof detection.score === "number" ? detection.score.toFixed(2) : "";
    const counted = detection.counted === undefined ? "–" : detection.counted ? "yes" : "no";
    return element("tr", {}, element("td", {}, mark, String(detection.class)), element("td", { class: "number" }, score),
      element("td", {}, detection.color ? String(detection.color) : "–"), element("td", {}, counted));
  });
  const head = element("tr", {}, ...["Found", "Score", "Colour", "Counted"].map((name) => element("th", { scope: "col" }, name)));
  return element("table", { class: "detections" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

/** A judge's replies in full; the last of several attempts counted. */
function judgeReplies(details) {
  const replies = (Array.isArray(details.replies) ? details.replies : []).filter((reply) => typeof reply.text === "string");
  if (!replies.length) return null;
  return element("div", { class: "replies" }, element("h4", {}, "The judge said"),
    ...replies.map((reply) => element("pre", { tabindex: "0" }, reply.text)));
}

function evidence(details) {
  const rest = Object.entries(details).filter(([name]) => name !== "detections");
  if (!rest.length) return null;
  const text = JSON.stringify(Object.fromEntries(rest), null, 2);
  return element("details", {}, element("summary", {}, "The scorer's other evidence"), element("pre", { tabindex: "0" }, text));
}

/** A row an iteration, a column a stage. */
function steps(part, sample, seen) {
  const iterations = [...groupBy(stepsOf(part, sample), (step) => step.iteration)];
  const kinds = new Set(stepsOf(part, sample).map((step) => step.kind));
  const stages = STAGES.filter((kind) => kinds.has(kind)).length;
  const rows = iterations.map(([iteration, members]) => element("div", { class: "iteration" },
    iteration ? element("h4", {}, `Iteration ${iteration}`) : null,
    element("ol", { class: `steps of-${stages}` }, ...members.map((step) => stepCard(part, step, seen)))));
  if (!rows.length) rows.push(element("p", { class: "quiet" }, "No step was recorded."));
  return element("div", { class: "course" }, ...rows);
}

function stepCard(part, step, seen) {
  const scored = step.image === null ? undefined : seen(step.image);
  const facts = [cost(step), step.seed ? `noise ${step.seed}` : ""].filter(Boolean).join(" · ");
  return element("li", { class: `step ${STAGES.includes(step.kind) ? step.kind : ""}` },
    element("h5", {}, step.kind),
    step.image === null ? null : framed(part, step.image, `${step.kind}, iteration ${step.iteration}`, "stage", seen),
    scored ? element("p", { class: "quiet" }, verdict(scored), `, scored as the final image of ${scored.arm}`) : null,
    step.text ? element("p", { class: "text" }, step.text) : null,
    facts ? element("p", { class: "quiet" }, facts) : null);
}

function moveArm(sample, by) {
  const group = groups.get(sample.group);
  const next = group[group.indexOf(sample) + by];
  if (next) location.replace(hashWith({ sample: next.id }));
}
