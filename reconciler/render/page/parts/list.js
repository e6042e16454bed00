/* The list of runs: what each is, and what is known of it. */
let sorting = {by: "", falling: false};

function listCells(run, isActive) {
  const url = instanceUrl(run);
  const instance = url ? make("a", {class: "out", href: url, rel: "noreferrer noopener", target: "_blank", tabindex: -1}, run.instance) : run.instance;
  const where = HAS_SEVERAL ? make("small", {}, run.environment.name) : "";
  return [
    make("td", {class: "c-state", title: run.look.words}, markOf(run.look), standing(run)),
    make("td", {class: "c-run"}, runLink(run, isActive), where, make("small", {class: "narrow"}, brief(run.environment, run.time), " · ", known(run))),
    make("td", {class: "c-flow"}, run.flow === null ? "" : String(run.flow)),
    make("td", {class: "c-time"}, brief(run.environment, run.time)),
    make("td", {class: "c-started"}, brief(run.environment, run.triggered)),
    make("td", {class: "c-instance", title: run.instance || null}, instance),
    make("td", {class: "c-why", title: known(run)}, known(run)),
  ];
}

const SORTED_BY = {
  state: (run) => run.look.order,
  run: (run) => run.run,
  flow: (run) => run.flow ?? -1,
  time: (run) => run.time,
  triggered: (run) => run.triggered ?? 0,
};

function sorted(runs) {
  const value = SORTED_BY[sorting.by];
  if (!value) return runs;
  const sign = sorting.falling ? -1 : 1;
  return [...runs].sort((one, other) => {
    const first = value(one), second = value(other);
    return first < second ? -sign : first > second ? sign : one.at - other.at;
  });
}

const list = new LongTable(byId("list"), listCells);
const showList = (runs) => list.show(sorted(runs));

for (const heading of byId("list").querySelectorAll("th[data-sort]")) {
  heading.addEventListener("click", () => {
    const by = heading.dataset.sort;
    sorting = {by, falling: sorting.by === by && !sorting.falling};
    for (const one of byId("list").querySelectorAll("th[data-sort]")) one.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", sorting.falling ? "descending" : "ascending");
    byId("list").scrollTop = 0;
    list.active = 0;
    showList(filtered());
  });
}
