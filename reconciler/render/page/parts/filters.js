/* Which runs are wanted: by the form above the views, which the address after # repeats. */
const FIELDS = ["q", "env", "flow", "reason", "label", "param", "from", "to"];
const MOST_OFFERED = 200;
const wantedStates = new Set();

/* `cn-*` as a test of whole texts. */
function pattern(text) {
  const parts = text.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "isu");
}

/* `SITE=cn-* MODE=full`: tests of pairs, of which each must hold for one. A word alone is a key. */
function pairTests(text) {
  return text.split(/\s+/).filter(Boolean).map((word) => {
    const at = word.indexOf("=");
    const key = pattern(at < 0 ? word : word.slice(0, at));
    const value = at < 0 ? null : pattern(word.slice(at + 1));
    return (pairs) => (pairs || []).some(([one, other]) => key.test(one) && (!value || value.test(other)));
  });
}

function searched(run) {
  if (run.searched === undefined) {
    const pairs = [...(run.parameters || []), ...run.labels].map((pair) => pair.join("="));
    const claim = run.claim ? `${run.claim.nonce} ${run.claim.by}` : "";
    const more = `${run.more.error || ""} ${run.more.declaredAs || ""}`;
    const own = `${run.run} ${run.flow} ${run.instance} ${run.look.words} ${run.reason} ${run.why} ${run.status}`;
    run.searched = `${own} ${run.file} ${claim} ${more} ${pairs.join(" ")}`.toLowerCase();
  }
  return run.searched;
}

function filtered() {
  const value = Object.fromEntries(FIELDS.map((field) => [field, byId(field).value]));
  const words = value.q.toLowerCase().split(/\s+/).filter(Boolean);
  const labels = pairTests(value.label), parameters = pairTests(value.param);
  return RUNS.filter((run) =>
    (!wantedStates.size || wantedStates.has(run.group))
    && (!value.env || run.environment.name === value.env)
    && (!value.flow || String(run.flow) === value.flow)
    && (!value.reason || run.reason === value.reason)
    && (!value.from || run.date >= value.from)
    && (!value.to || run.date <= value.to)
    && labels.every((test) => test(run.labels))
    && parameters.every((test) => test(run.parameters))
    && words.every((word) => searched(run).includes(word)));
}

/* The values that there are, the most frequent first. */
function offered(values) {
  const found = new Map();
  for (const value of values) found.set(value, (found.get(value) || 0) + 1);
  return [...found].sort((one, other) => other[1] - one[1]).map(([value]) => value);
}

function fillFilters() {
  const fill = (id, values) => byId(id).append(...values.map((value) => make("option", {value}, String(value))));
  const pairs = (field) => offered(RUNS.flatMap((run) => (run[field] || []).map((pair) => pair.join("="))));
  fill("env", ENVIRONMENTS.map((one) => one.name));
  byId("environments").hidden = !HAS_SEVERAL;
  fill("flow", [...new Set(RUNS.map((run) => run.flow))].filter((flow) => flow !== null).sort((a, b) => a - b));
  fill("reason", offered(RUNS.map((run) => run.reason).filter(Boolean)));
  fill("labels", pairs("labels").slice(0, MOST_OFFERED));
  fill("params", pairs("parameters").slice(0, MOST_OFFERED));
}

/* What the form says, as it stands in the address. */
function filterAddress(view) {
  const address = new URLSearchParams();
  address.set("view", view);
  if (wantedStates.size) address.set("state", [...wantedStates].join(","));
  for (const field of FIELDS) if (byId(field).value) address.set(field, byId(field).value);
  return address;
}

function takeFilters(address) {
  wantedStates.clear();
  for (const key of (address.get("state") || "").split(",")) {
    if (DATA.groups.includes(key)) wantedStates.add(key);
  }
  for (const field of FIELDS) byId(field).value = address.get(field) || "";
  showChips();
}

function showChips() {
  for (const chip of document.querySelectorAll(".chip")) {
    chip.setAttribute("aria-pressed", String(wantedStates.has(chip.dataset.state)));
  }
}
