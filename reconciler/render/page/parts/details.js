/* Everything that is known of one run. */
const dialog = byId("details");

function facts(run) {
  const {environment} = run;
  const url = instanceUrl(run);
  const origin = environment.origins[run.file];
  const at = (instant) => (instant === null || instant === undefined ? "" : `${clock(environment, instant)} (${environment.zone})`);
  const pairs = (those) => (those && those.length ? make("ul", {class: "pairs"}, those.map(([key, value]) => make("li", {}, make("b", {}, key), " = ", make("bdi", {}, value)))) : "");
  const claim = run.claim || {};
  return [
    ["Environment", HAS_SEVERAL ? environment.name : ""],
    ["Declared as", run.more.declaredAs],
    ["Why", run.reason ? run.why : ""],
    ["Error", run.more.error],
    ["Flow", run.flow === null ? "not known" : String(run.flow)],
    ["Trigger time", at(run.time)],
    ["Business date", run.date],
    ["Parameters", run.parameters === null ? "not known: the run is no longer declared" : pairs(run.parameters) || "none"],
    ["Labels", pairs(run.labels)],
    ["Manifest", run.file ? `${run.file}:${run.line}` : "no longer declared"],
    ["Brought by", origin ? `commit ${origin[0]}${origin[2] ? `, pull request ${origin[2]}` : ""}: ${origin[1]}` : ""],
    ["Instance", run.instance ? (url ? make("a", {href: url, rel: "noreferrer noopener", target: "_blank"}, run.instance) : run.instance) : ""],
    ["Starts", run.more.starts ? make("ul", {class: "pairs"}, run.more.starts.map((one) => make("li", {}, one))) : ""],
    ["Started", at(run.triggered)],
    ["End recorded", run.ended === null ? "" : `${at(run.ended)}, after ${lasted(run.ended - run.triggered)}`],
    ["Status", run.status],
    ["Cancellation", run.more.cancelled],
    ["Claim", claim.nonce],
    ["Claimed by", claim.by],
    ["Claimed at", at(claim.made)],
    ["Claimed until", claim.until ? at(claim.until) : ""],
    ["Claimed for commit", claim.commit],
    ["Evidence", run.more.evidence ? make("pre", {tabindex: "0", role: "region", "aria-label": "Evidence"}, run.more.evidence) : run.state === "in-doubt" ? "none: the apply that claimed it recorded no outcome" : ""],
  ].filter(([, value]) => value);
}

function attempts(run) {
  const others = RUNS.filter((one) => one.name === run.name && one.environment === run.environment);
  if (others.length < 2) return "";
  const items = others.map((one) => make("li", {}, markOf(one.look), one === run ? make("b", {"aria-current": "true"}, one.run) : make("a", {href: `#run=${encodeURIComponent(one.key)}`}, one.run), ` ${one.look.words}`));
  return make("section", {}, make("h3", {}, "Revisions and attempts"), make("ul", {class: "pairs"}, items));
}

function helping(run) {
  const {commands, edit} = run.more;
  if (!commands && !edit) return "";
  return make("section", {class: "help"}, make("h3", {}, "What helps"), edit ? make("p", {}, edit) : "", (commands || []).map((line) => make("div", {class: "command"}, make("code", {}, line), copyButton())));
}

const copyButton = () => make("button", {type: "button", class: "copy"}, "Copy");

function showRun(run) {
  const close = make("button", {type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close()}, "✕");
  const title = make("h2", {id: "details-title", tabindex: "-1"}, run.run);
  const state = make("p", {class: "state"}, markOf(run.look), run.look.words);
  const list = make("dl", {}, facts(run).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  dialog.replaceChildren(make("div", {class: "top"}, title, close), make("div", {class: "inside"}, state, helping(run), list, attempts(run)));
  dialog.className = run.look.key;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  title.focus();
}

function openRun(run) {
  location.hash = `run=${encodeURIComponent(run.key)}`;
}

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => goTo(view, false));

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.copy");
  if (button) copy(button);
});
