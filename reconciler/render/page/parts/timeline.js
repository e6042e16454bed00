/* When runs started and ended: a day at a time, on an axis that the day's bars share. */
const DAY = 86400000, MOST_DAYS = 400;
let axisFrom = 0, axisTo = 1, dayShown = null;

const endOf = (run) => run.ended ?? (run.state === "triggered" ? DATA.made : run.triggered);
const isOpen = (run) => run.ended === null && run.state === "triggered";
const startOfDay = (run, instant) => {
  const ahead = offsetAt(run.environment, instant) * 1000;
  return Math.floor((instant + ahead) / DAY) * DAY - ahead;
};

function timeCells(run, isActive) {
  const bar = make("span", {class: `line ${run.look.key}${isOpen(run) ? " open" : ""}`});
  const share = (instant) => (100 * (Math.min(Math.max(instant, axisFrom), axisTo) - axisFrom)) / (axisTo - axisFrom);
  bar.style.left = `min(${share(run.triggered)}%, 100% - 4px)`;
  bar.style.width = `${share(endOf(run)) - share(run.triggered)}%`;
  const ended = run.ended === null ? run.look.words : `${brief(run.environment, run.ended)} (${lasted(run.ended - run.triggered)})`;
  return [
    make("td", {class: "c-run"}, markOf(run.look), runLink(run, isActive), make("small", {class: "narrow"}, brief(run.environment, run.triggered), " – ", ended)),
    make("td", {class: "c-started"}, brief(run.environment, run.triggered)),
    make("td", {class: "c-ended"}, ended),
    make("td", {class: "c-bar", "aria-hidden": "true"}, make("span", {class: "track"}, bar)),
  ];
}

const times = new LongTable(byId("times"), timeCells);

/* The days on which something started, the newest first, with how many. */
function daysOf(started) {
  const days = new Map();
  for (const run of started) {
    const day = startOfDay(run, run.triggered);
    days.set(day, (days.get(day) || 0) + 1);
  }
  return [...days].sort(([one], [other]) => other - one).slice(0, MOST_DAYS);
}

function showTimeline(runs) {
  const started = runs.filter((run) => run.triggered !== null).sort((one, other) => one.triggered - other.triggered || one.at - other.at);
  const environment = started.length ? started[0].environment : null;
  const days = daysOf(started);
  if (dayShown === null || (dayShown && !days.some(([day]) => day === dayShown))) dayShown = days.length ? days[0][0] : 0;
  const options = days.map(([day, count]) => make("option", {value: day, selected: day === dayShown}, `${brief(environment, day).slice(0, 10)}: ${counted(count, "start")}`));
  byId("day").replaceChildren(make("option", {value: 0, selected: dayShown === 0}, "all of it"), ...options);
  const shown = dayShown ? started.filter((run) => run.triggered < dayShown + DAY && endOf(run) >= dayShown) : started;
  axisFrom = shown.reduce((found, run) => Math.min(found, Math.max(run.triggered, dayShown)), Infinity);
  axisTo = shown.reduce((found, run) => Math.max(found, dayShown ? Math.min(endOf(run), dayShown + DAY) : endOf(run)), 0);
  if (!(axisTo > axisFrom)) axisTo = axisFrom + 1000;
  const ticks = environment && shown.length ? [0, 1, 2, 3].map((part) => axisFrom + ((axisTo - axisFrom) * part) / 3) : [];
  const words = (tick) => (dayShown ? brief(environment, tick).slice(11) : brief(environment, tick).slice(0, 10));
  byId("axis").replaceChildren(...ticks.map((tick) => make("span", {}, words(tick))));
  const under = `${counted(shown.length, "run")} under way; an end is when it was recorded`;
  byId("spanned").textContent = started.length ? under : "No run here is known to have started.";
  byId("times").scrollTop = 0;
  times.show(shown);
}

byId("day").addEventListener("change", () => {
  dayShown = Number(byId("day").value);
  showTimeline(filtered());
});
for (const [id, step] of [["older", 1], ["newer", -1]]) {
  byId(id).addEventListener("click", () => {
    const days = [...byId("day").options].map((option) => Number(option.value)).filter(Boolean);
    const next = days[days.indexOf(dayShown) + step];
    if (next === undefined) return;
    dayShown = next;
    showTimeline(filtered());
  });
}
