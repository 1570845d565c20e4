// Sorting and filtering of the tables of a report. Cells carry their value in data-value: a number, or the text itself.
"use strict";

function cellValue(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
}

// Numbers before words, empty cells last whichever way the others go.
function compare(a, b, direction) {
  if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1;
  const x = Number(a), y = Number(b);
  const order = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  return direction * order;
}

function sortBy(table, column) {
  const headers = [...table.tHead.rows[0].cells];
  const falling = headers[column].getAttribute("aria-sort") === "ascending";
  headers.forEach((header) => header.removeAttribute("aria-sort"));
  headers[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  rows.sort((a, b) => compare(cellValue(a, column), cellValue(b, column), falling ? -1 : 1));
  rows.forEach((row) => body.append(row));
}

function applyFilters(form, table, count) {
  const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = [...form.querySelectorAll("select")].filter((select) => select.value);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    const matches = words.every((word) => text.includes(word)) &&
      chosen.every((select) => cellValue(row, Number(select.dataset.column)) === select.value);
    row.hidden = !matches;
    shown += matches ? 1 : 0;
  }
  count.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
}

for (const form of document.querySelectorAll("form.filters")) {
  const table = document.getElementById(form.dataset.table);
  const count = form.querySelector("output");
  const apply = () => applyFilters(form, table, count);
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = header.querySelector("button");
    if (button) button.addEventListener("click", () => sortBy(table, column));
  });
  form.hidden = false;
  apply();
}
