"use strict";
// The scorer's boxes over an image.

const BOX_COLORS = ["#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#F0E442", "#0072B2"];

function detailsOf(part, sample) {
  const place = part.samples[sample.index][1];
  return place === null ? {} : part.details[place];
}

function detectionsOf(details) {
  const detections = Array.isArray(details.detections) ? details.detections : [];
  return detections.filter(({ box }) => Array.isArray(box) && box.length === 4 && box.every(Number.isFinite));
}

/** Boxes over an image of a frame, as soon as its size is known. */
function drawBoxes(frame, image, detections) {
  if (!detections.length) return;
  const draw = () => frame.append(overlay(image, detections));
  if (image.complete && image.naturalWidth) draw();
  else image.addEventListener("load", draw, { once: true });
}

function colorOf(detections, detection) {
  const classes = [...new Set(detections.map((entry) => entry.class))];
  return BOX_COLORS[classes.indexOf(detection.class) % BOX_COLORS.length];
}

function labelOf(detection) {
  const score = typeof detection.score === "number" ? detection.score.toFixed(2) : "";
  return [detection.color, detection.class, score].filter(Boolean).join(" ");
}

/** Boxes over the image in its own pixels; shapes are cloned from a template. A box that did not count is dashed. */
function overlay(image, detections) {
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const svg = document.getElementById("overlay").content.firstElementChild.cloneNode(true);
  const [rect, text] = [svg.querySelector("rect"), svg.querySelector("text")];
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", `Detected: ${detections.map(labelOf).join("; ")}`);
  const size = width / 20;
  for (const detection of detections) {
    const [x1, y1, x2, y2] = detection.box;
    const box = rect.cloneNode();
    const place = { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) };
    for (const [name, value] of Object.entries(place)) box.setAttribute(name, value);
    box.setAttribute("stroke", colorOf(detections, detection));
    if (detection.counted === false) box.setAttribute("stroke-dasharray", "4 3");
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
