/* Each backfill as a grid: business dates against the combinations of its matrix. */
const SHOWN_ROWS = 100, SHOWN_COLUMNS = 200, SHOWN_BACKFILLS = 10;
const BY_DATE = "\u0001date", BY_ALL = "\u0001all"; // no key of a matrix is called so
const axes = new Map();

function showGrids(runs) {
  const found = new Map();
  for (const run of runs) {
    if (!run.backfill) continue;
    const key = `${run.environment.name}/${run.backfill}`;
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(run);
  }
  const panel = byId("view-backfills");
  if (!found.size) {
    panel.replaceChildren(make("p", {class: "note"}, "No run here is a backfill’s."));
    return;
  }
  const groups = [...found].sort((one, other) => worst(one[1]).order - worst(other[1]).order);
  panel.replaceChildren(legend(runs));
  more(panel, groups, SHOWN_BACKFILLS, "backfill", ([key, those]) => gridOf(key, those));
}

/* Adds so many at a time, and a button for more. */
function more(parent, items, most, noun, element) {
  const next = items.slice(0, most), rest = items.slice(most);
  parent.append(...next.map(element));
  if (!rest.length) return;
  const button = make("button", {type: "button", class: "plain", onclick: () => {
    button.remove();
    more(parent, rest, most, noun, element);
  }}, `Show more: ${counted(rest.length, noun)} left`);
  parent.append(button);
}

/* The run's place on each axis: the date in its name, and the values of the matrix. */
function places(run) {
  const found = Object.assign(Object.create(null), {[BY_DATE]: run.segments[0]});
  for (const segment of run.segments.slice(1)) {
    const at = segment.indexOf("=");
    found[segment.slice(0, at)] = segment.slice(at + 1);
  }
  return found;
}

function gridOf(key, runs) {
  const keys = [...new Set(runs.flatMap((run) => Object.keys(places(run))))].filter((one) => one !== BY_DATE);
  const choices = [BY_DATE, ...keys];
  if (keys.length > 1) choices.push(BY_ALL);
  const chosen = axes.get(key) || {rows: BY_DATE, columns: keys.length > 1 ? BY_ALL : keys[0] || ""};
  const name = runs[0].backfill;
  const section = make("section", {class: "backfill"});
  const draw = () => {
    axes.set(key, chosen);
    const title = make("h2", {}, name, HAS_SEVERAL ? make("small", {}, runs[0].environment.name) : "", make("small", {}, counts(runs)));
    const bar = keys.length ? make("div", {class: "bar"}, axis("Rows", "rows", choices, chosen, draw), axis("Columns", "columns", choices, chosen, draw)) : "";
    section.replaceChildren(title, bar, gridTable(name, runs, chosen, keys));
  };
  draw();
  return section;
}

const axisName = (key) => new Map([[BY_DATE, "business date"], [BY_ALL, "all keys"]]).get(key) ?? key;

function axis(words, which, choices, chosen, draw) {
  const select = make("select", {name: which, onchange: () => { chosen[which] = select.value; draw(); }}, choices.map((one) => make("option", {value: one, selected: one === chosen[which]}, axisName(one))));
  return make("label", {}, words, " ", select);
}

function gridTable(name, runs, chosen, keys) {
  const along = (which) => (run) => {
    const found = places(run);
    return which === BY_ALL ? keys.map((key) => found[key]).join(" · ") : found[which] ?? "";
  };
  const rowOf = along(chosen.rows), columnOf = along(chosen.columns);
  const shown = new Map(), rows = new Map(), columns = new Set();
  for (const run of runs) shown.set(run.name, run); // a later revision or attempt stands for the run
  for (const run of shown.values()) {
    const row = rowOf(run), column = columnOf(run);
    columns.add(column);
    if (!rows.has(row)) rows.set(row, new Map());
    const cells = rows.get(row);
    if (!cells.has(column)) cells.set(column, []);
    cells.get(column).push(run);
  }
  const collate = new Intl.Collator("en", {numeric: true}).compare;
  const headings = [...columns].sort(collate).slice(0, SHOWN_COLUMNS);
  const body = make("tbody");
  const rowElement = (row) => make("tr", {}, make("th", {scope: "row"}, row || "all"), headings.map((column) => cellOf(rows.get(row).get(column), [column, row].filter(Boolean).join(", "), choose)));
  const head = make("tr", {}, make("th", {scope: "col"}, axisName(chosen.rows)), headings.map((one) => make("th", {scope: "col"}, make("span", {}, one || "run"))));
  const table = make("table", {class: "grid", "aria-label": `Runs of ${name}`}, make("thead", {}, head), body);
  const scroller = make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": `Grid of ${name}`}, table);
  const names = [...rows.keys()].sort(collate);
  body.append(...names.slice(0, SHOWN_ROWS).map(rowElement));
  withArrows(table);
  const hidden = columns.size - headings.length;
  const left = make("div", {}, hidden ? make("p", {class: "note"}, `${counted(hidden, "column")} more: filter by parameter.`) : "");
  if (names.length > SHOWN_ROWS) moreRows(left, body, names.slice(SHOWN_ROWS), rowElement);
  return make("div", {}, scroller, left);
}

function moreRows(parent, body, names, rowElement) {
  const button = make("button", {type: "button", class: "plain", onclick: () => {
    button.remove();
    body.append(...names.slice(0, SHOWN_ROWS).map(rowElement));
    if (names.length > SHOWN_ROWS) moreRows(parent, body, names.slice(SHOWN_ROWS), rowElement);
  }}, `Show more: ${counted(names.length, "row")} left`);
  parent.append(button);
}
