"use strict";
// The dialog that lays two pictures of a prompt side by side, under a slider, or one after the other.

const viewer = document.getElementById("viewer");
const stage = document.getElementById("stage");
const controls = viewer.querySelector("form");
const BLINK = 700;
const still = matchMedia("(prefers-reduced-motion: reduce)");
let blinking = null;

/** The address at which a sample is laid beside another of its row: of several runs its partner, else that of the compared arms. */
function rowLink(sample) {
  const [a, b] = comparedArms(readState());
  const other = report.partners?.[sample.arm] ?? (sample.arm === a ? b : a);
  const pair = report.partners && arms.indexOf(other) > arms.indexOf(sample.arm) ? [sample.arm, other] : [other ?? sample.arm, sample.arm];
  return hashWith({ benchmark: sample.benchmark, arm: null, sample: null, row: sample.group, left: pair[0], right: pair[1] });
}

function openViewer(sample) {
  location.hash = rowLink(sample);
}

function currentRow(state) {
  return rows.find((row) => row.group === state.get("row"));
}

async function showViewer(state) {
  const row = currentRow(state);
  clearInterval(blinking);
  if (!row) {
    if (viewer.open) viewer.close();
    return;
  }
  const pair = [state.get("left"), state.get("right")].map((arm) => row.byArm.get(arm)).filter(Boolean);
  document.getElementById("viewer-title").textContent = row.prompt;
  fillControls(row, state);
  if (!viewer.open) viewer.showModal();
  let part = null;
  try {
    part = await readPart(row);
  } catch (error) {
    document.getElementById("viewer-note").textContent = error.message;
  }
  if (readState().get("row") !== row.group) return;
  stage.replaceChildren(...pair.map((sample, place) => side(sample, part, place)));
  place(controls.elements.slider.value);
  if (mode() === "blink" && !still.matches) blinking = setInterval(blink, BLINK);
}

function side(sample, part, place) {
  const name = report.partners ? sample.arm : `${"AB"[place]}: ${sample.arm}`;
  const frame = element("div", { class: "frame" }, picture(sample.image, name, "final", false));
  const image = frame.querySelector("img");
  if (image && part) drawBoxes(frame, image, detectionsOf(detailsOf(part, sample)));
  return element("figure", { class: "side" }, frame,
    element("figcaption", {}, element("b", {}, `${name} `), verdict(sample),
      sample.reason ? element("span", { class: "reason" }, sample.reason) : null,
      element("span", { class: "quiet" }, cost(sample)),
      ...(report.partners ? [] : [annotation(sample, "AB"[place]),
        element("a", { href: `index.html#${new URLSearchParams({ arm: "*", sample: sample.id })}` }, "How it came about")])));
}

function fillControls(row, state) {
  for (const name of ["left", "right"]) {
    controls.elements[name].replaceChildren(...[...row.byArm.keys()].map((arm) => element("option", { value: arm, selected: arm === state.get(name) }, arm)));
  }
  controls.elements.mode.value = state.get("mode") ?? "both";
  viewer.dataset.mode = mode();
  controls.elements.slider.closest("label").hidden = mode() !== "slider";
  document.getElementById("swap").hidden = mode() !== "blink";
  viewer.classList.toggle("bare", !controls.elements.boxes.checked);
  const at = shown.indexOf(row);
  document.getElementById("place").textContent = at < 0 ? "" : `${at + 1} of ${shown.length}`;
}

function mode() {
  return controls.elements.mode.value;
}

/** The slider: how much of the second picture covers the first, in per cent. */
function place(value) {
  stage.style.setProperty("--cut", `${value}%`);
}

function blink() {
  stage.classList.toggle("swapped");
}

function setMode(name) {
  controls.elements.mode.value = name;
  location.hash = hashWith({ mode: name === "both" ? null : name });
}

function moveRow(by) {
  const next = shown[shown.indexOf(currentRow(readState())) + by];
  if (next) location.replace(hashWith({ row: next.group }));
}

function moveSide(name, by) {
  const names = [...controls.elements[name].options].map((option) => option.value);
  const next = names[(names.indexOf(controls.elements[name].value) + by + names.length) % names.length];
  location.replace(hashWith({ [name]: next }));
}

function pressed(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input:not([type=checkbox]), select")) return;
  const sideways = event.shiftKey ? "left" : "right";
  const actions = {
    ArrowLeft: () => moveSide(sideways, -1),
    ArrowRight: () => moveSide(sideways, 1),
    ArrowUp: () => moveRow(-1),
    ArrowDown: () => moveRow(1),
    1: () => setMode("both"),
    2: () => setMode("slider"),
    3: () => setMode("blink"),
    " ": () => (mode() === "blink" ? blink() : null),
    x: () => controls.elements.boxes.click(),
  };
  const action = actions[event.key];
  if (!action || (event.key === " " && event.target.matches("button, input"))) return;
  event.preventDefault();
  action();
}

function listenToViewer() {
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", (event) => {
    const { name, value } = event.target;
    if (name === "slider") place(value);
    else if (name === "zoom") stage.style.setProperty("--zoom", value);
    else if (name === "boxes") viewer.classList.toggle("bare", !event.target.checked);
    else if (name === "mode") setMode(value);
    else location.replace(hashWith({ [name]: value }));
  });
  document.getElementById("swap").addEventListener("click", blink);
  viewer.addEventListener("keydown", pressed);
  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (event.target === viewer || button?.hasAttribute("data-close")) viewer.close();
    else if (button?.dataset.go) moveRow(Number(button.dataset.go));
  });
  viewer.addEventListener("close", () => {
    clearInterval(blinking);
    const state = readState();
    const [group, arm] = [state.get("row"), state.get("right")];
    if (!group) return;
    history.replaceState(null, "", hashWith({ row: null, left: null, right: null }));
    const sample = rows.find((row) => row.group === group)?.byArm.get(arm);
    if (sample) grid.querySelector(`button[data-id="${CSS.escape(sample.id)}"]`)?.focus();
  });
}
