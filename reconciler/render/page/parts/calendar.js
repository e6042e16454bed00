/* The business dates of each flow, a month beside the next. */
const DAYS = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const SHOWN_FLOWS = 6, SHOWN_MONTHS = 24;

function showCalendar(all) {
  const runs = newest(all);
  const flows = new Map();
  for (const run of runs) {
    if (!run.date) continue;
    const key = `${run.environment.name} ${run.flow}`;
    if (!flows.has(key)) flows.set(key, []);
    flows.get(key).push(run);
  }
  const panel = byId("view-calendar");
  if (!flows.size) {
    panel.replaceChildren(make("p", {class: "note"}, "No run here has a business date."));
    return;
  }
  const groups = [...flows.values()].sort((one, other) => worst(one).order - worst(other).order || other.length - one.length);
  panel.replaceChildren(legend(runs));
  more(panel, groups, SHOWN_FLOWS, "flow", calendarOf);
}

function calendarOf(runs) {
  const flow = runs[0].flow === null ? "an unknown flow" : `flow ${runs[0].flow}`;
  const months = new Map();
  for (const run of runs) {
    const month = run.date.slice(0, 7);
    if (!months.has(month)) months.set(month, new Map());
    const days = months.get(month);
    if (!days.has(run.date)) days.set(run.date, []);
    days.get(run.date).push(run);
  }
  const named = `F${flow.slice(1)}`;
  const title = make("h2", {}, flow.startsWith("flow") ? named : "An unknown flow", HAS_SEVERAL ? make("small", {}, runs[0].environment.name) : "", make("small", {}, counts(runs)));
  const section = make("section", {class: "flow"}, title);
  const held = make("div", {class: "months"});
  section.append(held);
  more(held, [...months].sort(([one], [other]) => (one < other ? 1 : -1)), SHOWN_MONTHS, "month", ([month, days]) => monthOf(flow, month, days));
  return section;
}

function monthOf(flow, month, days) {
  const [year, which] = month.split("-").map(Number);
  const first = new Date(Date.UTC(2000, which - 1, 1));
  first.setUTCFullYear(year);
  const lead = (first.getUTCDay() + 6) % 7;
  const last = new Date(first);
  last.setUTCMonth(which, 0);
  const body = make("tbody");
  for (let day = 1 - lead; day <= last.getUTCDate(); day += 7) {
    const cells = DAYS.map((_, at) => dayOf(flow, month, day + at, last.getUTCDate(), days));
    body.append(make("tr", {}, cells));
  }
  const name = `${MONTHS[which - 1]} ${year}`;
  return withArrows(make("table", {class: "month", "aria-label": `${flow}, ${name}`}, make("caption", {}, name), make("thead", {}, make("tr", {}, DAYS.map((one) => make("th", {scope: "col"}, one)))), body));
}

function dayOf(flow, month, day, last, days) {
  if (day < 1 || day > last) return make("td", {class: "none"});
  const date = `${month}-${two(day)}`;
  const runs = days.get(date);
  if (!runs) return make("td", {class: "none"}, make("span", {class: "day"}, String(day)));
  const cell = cellOf(runs, date, () => (runs.length === 1 ? openRun(runs[0]) : listDay(runs[0], date)));
  const look = worst(runs), those = runs.filter((run) => run.look === look).length;
  const mark = make("span", {class: "sign", "aria-hidden": "true"}, look.mark, runs.length > 1 ? make("small", {}, number(those)) : "");
  const words = make("span", {class: "unseen"}, cell.getAttribute("aria-label"));
  cell.removeAttribute("aria-label");
  cell.replaceChildren(words, make("span", {class: "day", "aria-hidden": "true"}, String(day)), mark);
  return cell;
}

function listDay(run, date) {
  byId("flow").value = run.flow === null ? "" : String(run.flow);
  byId("env").value = HAS_SEVERAL ? run.environment.name : "";
  byId("from").value = date;
  byId("to").value = date;
  goTo("runs", true);
}
