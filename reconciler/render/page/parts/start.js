/* Listening, and the first look. */
fillFilters();
byId("tabs").hidden = false;
for (const button of document.querySelectorAll("#view-attention button.copy")) button.hidden = false;

byId("tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) goTo(tab.dataset.view, true);
});
byId("tabs").addEventListener("keydown", (event) => {
  const tabs = [...byId("tabs").children];
  const at = tabs.indexOf(document.activeElement);
  const next = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1}[event.key];
  if (next === undefined || at < 0) return;
  event.preventDefault();
  const tab = tabs[(next + tabs.length) % tabs.length];
  goTo(tab.dataset.view, true);
  tab.focus();
});

let typing = 0;
byId("filters").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => goTo(view, false), 120);
});
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("click", (event) => {
  const chip = event.target.closest(".chip");
  if (chip) {
    const key = chip.dataset.state;
    if (!wantedStates.delete(key)) wantedStates.add(key);
    showChips();
    goTo(view, false);
  } else if (event.target.id === "fewer") {
    const isOpen = byId("filters").classList.toggle("open");
    event.target.setAttribute("aria-expanded", String(isOpen));
  } else if (event.target.id === "clear") {
    takeFilters(new URLSearchParams());
    goTo(view, false);
  }
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, select, textarea, dialog");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (view === "attention") goTo("runs", true);
  byId("q").focus();
});
addEventListener("hashchange", followAddress);
addEventListener("popstate", followAddress);
followAddress();
