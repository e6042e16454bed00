/* The runs, read from the columns; and making elements, of text only. */
const DATA = JSON.parse(document.getElementById("data").textContent);
const LOOKS = DATA.looks.map(([key, mark, words, short], order) => ({key, mark, words, short, order}));
const ENVIRONMENTS = DATA.environments;
const HAS_SEVERAL = ENVIRONMENTS.length > 1;
const byId = (id) => document.getElementById(id);

/* An element with properties and children. A string becomes a text, never markup. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== ""));
  return element;
}

const number = (value) => value.toLocaleString("en-US");
const counted = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;

function readRuns() {
  const names = Object.keys(DATA.columns);
  const columns = names.map((name) => DATA.columns[name]);
  const text = (at) => DATA.texts[at];
  const pairs = (numbers) => {
    if (!numbers) return numbers;
    const found = [];
    for (let at = 0; at < numbers.length; at += 2) found.push([text(numbers[at]), text(numbers[at + 1])]);
    return found;
  };
  return columns[0].map((_, at) => {
    const run = {at};
    names.forEach((name, which) => { run[name] = columns[which][at]; });
    run.environment = ENVIRONMENTS[run.environment];
    run.look = LOOKS[run.look];
    run.state = DATA.states[run.state];
    run.group = DATA.groups.includes(run.look.key) ? run.look.key : run.state;
    for (const name of ["reason", "why", "date", "file", "status"]) run[name] = text(run[name]);
    run.parameters = pairs(run.parameters);
    run.labels = pairs(run.labels);
    if (run.claim) {
      const [nonce, by, commit, made, until] = run.claim;
      run.claim = {nonce: text(nonce), by: text(by), commit: text(commit), made, until};
    }
    run.more = run.more || {};
    run.key = `${run.environment.name}/${run.run}`;
    const [name, ...rest] = run.run.split("#")[0].split("@")[0].split("/");
    run.name = [name, ...rest].join("/");
    run.backfill = rest.length ? name : null;
    run.segments = rest;
    return run;
  });
}

const RUNS = readRuns();
const BY_KEY = new Map(RUNS.map((run) => [run.key, run]));

/* Where a person sees the run's instance; null where that is not known. */
function instanceUrl(run) {
  let url = run.url;
  if (url === 1) {
    url = run.environment.instances.split("{flowId}").join(String(run.flow)).split("{flowInstanceId}").join(run.instance);
  }
  return typeof url === "string" && /^https?:/i.test(url) ? url : null;
}

/* What there is to say of a run in a line. */
function known(run) {
  if (run.more.error) return run.more.error;
  if (run.state === "succeeded") return run.ended === null ? "" : `took ${lasted(run.ended - run.triggered)}`;
  return run.reason || !run.status ? run.why : run.status;
}

/* The most urgent look of some runs. */
const worst = (runs) => runs.reduce((found, run) => (run.look.order < found.order ? run.look : found), runs[0].look);

const attemptOf = (run) => Number(run.run.split("#")[1] || 1);

/* The runs without the failures that a later attempt, among them, speaks for. */
function newest(runs) {
  const found = new Map();
  const first = (run) => `${run.environment.name}/${run.run.split("#")[0]}`;
  for (const run of runs) found.set(first(run), Math.max(found.get(first(run)) || 0, attemptOf(run)));
  return runs.filter((run) => run.state !== "failed" || run.look.key === "twice" || attemptOf(run) === found.get(first(run)));
}

/* `31 runs: 3 failed, 28 succeeded (1 after a retry)`. A run counts once, by its newest attempt. */
function counts(runs) {
  const speaking = newest(runs);
  const looks = LOOKS.map((look) => [look, speaking.filter((run) => run.look === look)]).filter(([, those]) => those.length);
  const words = looks.map(([look, those]) => {
    const retried = look.key === "succeeded" ? those.filter((run) => attemptOf(run) > 1).length : 0;
    return `${number(those.length)} ${look.words}${retried ? ` (${number(retried)} after a retry)` : ""}`;
  });
  return `${counted(speaking.length, "run")}: ${words.join(", ")}`;
}

/* How the run stands, in a word or two. */
function standing(run) {
  if (run.look.key === "unwanted" && run.file) return "cancelled";
  return run.reason === "stopped" && run.look.key === "blocked" ? "stopped" : run.look.short;
}

const markOf = (look) => make("span", {class: `mark ${look.key}`, "aria-hidden": "true"}, look.mark);
