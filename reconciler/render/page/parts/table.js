/* A table of any length, of which only the rows in sight exist. */
class LongTable {
  constructor(scroller, cells) {
    this.scroller = scroller;
    this.table = scroller.querySelector("table");
    this.body = scroller.querySelector("tbody");
    this.cells = cells;
    this.runs = [];
    this.active = 0;
    scroller.addEventListener("scroll", () => this.plan(), {passive: true});
    new ResizeObserver(() => this.plan()).observe(scroller);
    this.body.addEventListener("keydown", (event) => this.move(event));
    this.body.addEventListener("click", (event) => this.open(event));
  }

  show(runs) {
    this.runs = runs;
    this.active = Math.min(this.active, Math.max(0, runs.length - 1));
    this.table.setAttribute("aria-rowcount", String(runs.length + 1));
    this.shown = "";
    this.draw();
  }

  plan() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => { this.planned = false; this.draw(); });
  }

  get height() {
    const style = getComputedStyle(document.documentElement);
    return parseFloat(style.getPropertyValue("--row")) * parseFloat(style.fontSize); // it is in rem
  }

  draw() {
    const height = this.height;
    const room = this.scroller.clientHeight;
    if (!room) return;
    const first = Math.max(0, Math.min(Math.floor(this.scroller.scrollTop / height) - 8, this.runs.length - 1));
    const last = Math.min(this.runs.length, first + Math.ceil(room / height) + 16);
    const shown = `${first} ${last} ${height}`;
    if (shown === this.shown) return;
    this.shown = shown;
    const focused = this.body.contains(document.activeElement);
    const rows = [];
    for (let at = first; at < last; at += 1) rows.push(this.row(at));
    this.body.replaceChildren(this.gap(first * height), ...rows, this.gap((this.runs.length - last) * height));
    if (focused) (this.link(this.active) || this.scroller).focus({preventScroll: true});
  }

  row(at) {
    const run = this.runs[at];
    return make("tr", {class: run.look.key, "aria-rowindex": at + 2, "data-at": at}, this.cells(run, at === this.active));
  }

  gap(height) {
    const row = make("tr", {class: "gap", "aria-hidden": "true"});
    row.style.height = `${height}px`;
    return row;
  }

  link(at) {
    return this.body.querySelector(`tr[data-at="${at}"] a.run`);
  }

  open(event) {
    const row = event.target.closest("tr[data-at]");
    if (!row || event.target.closest("a.out") || String(getSelection())) return;
    event.preventDefault();
    this.active = Number(row.dataset.at);
    openRun(this.runs[this.active]);
  }

  move(event) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 2);
    const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity};
    if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.link(this.active)?.setAttribute("tabindex", "-1");
    this.active = Math.max(0, Math.min(this.runs.length - 1, this.active + steps[event.key]));
    const top = this.active * this.height, head = this.table.tHead.offsetHeight;
    const {scrollTop, clientHeight} = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.height + head > scrollTop + clientHeight) this.scroller.scrollTop = top + this.height + head - clientHeight;
    this.draw();
    const link = this.link(this.active);
    link?.setAttribute("tabindex", "0");
    link?.focus({preventScroll: true});
  }
}

const runLink = (run, isActive) =>
  make("a", {class: "run", href: `#run=${encodeURIComponent(run.key)}`, tabindex: isActive ? 0 : -1, title: run.run}, run.run);
