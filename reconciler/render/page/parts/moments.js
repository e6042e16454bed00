/* Instants as the clocks of the gateway's zone show them. */
const two = (value) => String(value).padStart(2, "0");

function offsetAt(environment, instant) {
  let found = environment.offsets[0][1];
  for (const [since, seconds] of environment.offsets) {
    if (instant < since) break;
    found = seconds;
  }
  return found;
}

function signed(seconds) {
  const minutes = Math.abs(Math.trunc(seconds / 60));
  return `${seconds < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/* `2024-03-02 08:00:00`; with its offset where clocks show the time twice. */
function clock(environment, instant) {
  if (instant === null || instant === undefined) return "";
  const offset = offsetAt(environment, instant);
  const shown = new Date(instant + offset * 1000);
  if (Number.isNaN(shown.getTime())) return `${instant} ms`;
  const text = shown.toISOString().replace("T", " ").replace(/\.000Z$|Z$/, "");
  const twice = environment.offsets.some(([, other]) => {
    const same = instant + (offset - other) * 1000;
    return other !== offset && offsetAt(environment, same) === other;
  });
  return twice ? text + signed(offset) : text;
}

/* The same without seconds: for where there is little room. */
const brief = (environment, instant) => clock(environment, instant).slice(0, 16);

/* `1 h 12 min`. */
function lasted(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
