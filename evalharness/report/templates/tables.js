"use strict";
// Columns sort by the buttons in their headings: first as one would look (names up, numbers down), then the other way, then
// as it was. Each tbody is sorted by itself, so that quoted rows stay below those that were measured.

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const bodies = [...table.tBodies].map((body) => [body, [...body.rows]]);
  heads.forEach((head, column) => {
    const button = element("button", { type: "button", class: "sort" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const current = head.getAttribute("aria-sort");
      const order = current === null ? first : current === first ? second : null;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (order) head.setAttribute("aria-sort", order);
      for (const [body, rows] of bodies) body.append(...(order ? sorted(rows, column, order) : rows));
    });
  });
}

/** Numbers by data-value, or as they are written; cells without one come last. Words as they stand. */
function sorted(rows, column, order) {
  const sign = order === "ascending" ? 1 : -1;
  const text = (row) => row.cells[column].textContent.trim();
  const number = (row) => Number.parseFloat(row.cells[column].dataset.value ?? text(row).replace("−", "-").replaceAll(",", ""));
  const numeric = rows.every((row) => row.cells[column].classList.contains("number"));
  return [...rows].sort((a, b) => {
    if (!numeric) return sign * text(a).localeCompare(text(b), undefined, { numeric: true });
    const [x, y] = [number(a), number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? Number.isNaN(x) - Number.isNaN(y) : sign * (x - y);
  });
}

document.querySelectorAll("table.sortable").forEach(sortable);
