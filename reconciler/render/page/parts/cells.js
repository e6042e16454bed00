/* Tables of cells that stand for runs: one mark each, moved through by arrows. */
function cellOf(runs, called, choose) {
  if (!runs || !runs.length) return make("td", {class: "none"});
  const look = worst(runs);
  const words = runs.length === 1 ? look.words : counts(runs);
  const label = `${called}: ${words}`;
  return make("td", {class: `cell ${look.key}`, tabindex: "-1", "aria-label": label, title: label, onclick: () => choose(runs)}, look.mark);
}

/* Lets one cell of the table take part in the order of Tab, and arrows choose which. */
function withArrows(table) {
  table.setAttribute("role", "grid");
  const first = table.querySelector("td.cell");
  if (first) first.tabIndex = 0;
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td.cell");
    if (!cell || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      cell.click();
      return;
    }
    const next = following(table, cell, event.key);
    if (next === undefined) return;
    event.preventDefault();
    if (!next) return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return table;
}

/* The nearest cell that way; null at the end, undefined for a key that does not move. */
function following(table, cell, key) {
  const ways = {ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0]};
  if (key === "Home" || key === "End") {
    const cells = [...cell.parentElement.querySelectorAll("td.cell")];
    return key === "Home" ? cells[0] : cells.at(-1);
  }
  if (!(key in ways)) return undefined;
  const [down, right] = ways[key];
  const rows = table.tBodies[0].rows;
  let row = cell.parentElement.sectionRowIndex + down, column = cell.cellIndex + right;
  while (rows[row] && rows[row].cells[column]) {
    if (rows[row].cells[column].matches("td.cell")) return rows[row].cells[column];
    row += down;
    column += right;
  }
  return null;
}

function choose(runs) {
  if (runs.length === 1) openRun(runs[0]);
}

/* What the marks of these runs mean. */
function legend(all) {
  const runs = newest(all);
  const looks = LOOKS.filter((look) => runs.some((run) => run.look === look));
  return make("ul", {class: "legend", "aria-label": "Marks"}, looks.map((look) => make("li", {}, markOf(look), look.words)));
}
