/* The views: each drawn when it is looked at. */
const VIEWS = {attention: () => {}, runs: showList, backfills: showGrids, calendar: showCalendar, timeline: showTimeline};
let view = "attention";

function draw() {
  for (const tab of byId("tabs").children) {
    const isChosen = tab.dataset.view === view;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    byId(`view-${tab.dataset.view}`).hidden = !isChosen;
  }
  byId("filters").hidden = view === "attention";
  if (view === "attention") return;
  const runs = filtered();
  byId("found").textContent = runs.length === RUNS.length ? counted(RUNS.length, "run") : `${number(runs.length)} of ${counted(RUNS.length, "run")}`;
  VIEWS[view](runs);
}

/* Shows the view, and has the address say so. */
function goTo(wanted, isStep) {
  view = wanted;
  const address = `#${filterAddress(view)}`;
  if (isStep) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
  draw();
}

function followAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  const run = BY_KEY.get(address.get("run"));
  if (run) {
    if (!byId("tabs").querySelector("[aria-selected=true]")) draw();
    showRun(run);
    return;
  }
  if (dialog.open) dialog.close();
  if (address.has("run") || !(address.get("view") in VIEWS)) {
    draw();
    return;
  }
  view = address.get("view");
  takeFilters(address);
  draw();
}
