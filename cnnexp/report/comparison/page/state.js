// What a reader has chosen. One object, replaced at every change; views are told, and the address keeps it.

const DEFAULTS = {
  metric: null, // compared; null: as the page was made
  by: null, // settings that make a row; null: as the page was made
  grouped: true, // runs that differ by seed alone are one row
  hideFailed: false,
  search: "",
  filters: {}, // column -> {levels: [...]} of a setting, {ranges: [[low, high], ...]} of a metric
  sort: null, // {column, descending}; null: best on validation first
  columns: null, // shown beside those that a row needs; null: none
  lit: [], // runs that are lit up everywhere
  x: null,
  y: null, // of the scatter
  heat: null, // two settings
  curve: null,
  band: "quartiles", // quartiles, interval, runs
  pair: null, // two runs
  score: "recall", // of the classes
  pictures: "wrong", // wrong, disagreement, opened
  opened: null, // the run whose mistakes are shown
};

export class State {
  constructor(initial = {}) {
    this.values = { ...DEFAULTS, ...initial };
    this.listeners = [];
  }

  /** Change some values and tell every view. */
  set(changes) {
    this.values = { ...this.values, ...changes };
    for (const listener of this.listeners) listener(this.values);
  }

  subscribe(listener) {
    this.listeners.push(listener);
  }

  /** Set or, with null, remove the filter of a column. */
  filter(name, filter) {
    const filters = { ...this.values.filters };
    if (filter === null) delete filters[name];
    else filters[name] = filter;
    this.set({ filters });
  }

  /** Light up these runs, or put them out where all of them are lit. */
  toggleLit(runs) {
    const lit = new Set(this.values.lit);
    const out = runs.every((run) => lit.has(run));
    for (const run of runs) out ? lit.delete(run) : lit.add(run);
    this.set({ lit: [...lit] });
  }
}

/** What differs from the defaults, for the address. */
export function toHash(values) {
  const changed = Object.entries(values).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(DEFAULTS[name]),
  );
  return changed.length ? `#${encodeURIComponent(JSON.stringify(Object.fromEntries(changed)))}` : "";
}

/** The values in an address; what is no value of this page is left out: another one may have stood in its file. */
export function fromHash(hash, data) {
  try {
    const read = JSON.parse(decodeURIComponent(hash.slice(1)));
    const filters = Object.entries(read.filters ?? {}).filter(([name, filter]) => isFilter(data, name, filter));
    const known = Object.entries({ ...read, filters: Object.fromEntries(filters) });
    return Object.fromEntries(known.filter(([name, value]) => name in DEFAULTS && fits(data, name, value)));
  } catch {
    return {};
  }
}

function isFilter(data, name, filter) {
  if (data.settingNamed.has(name)) return Array.isArray(filter?.levels);
  return data.metricNamed.has(name) && Array.isArray(filter?.ranges);
}

function fits(data, name, value) {
  if (value === null) return DEFAULTS[name] === null;
  const isSetting = (column) => data.settingNamed.has(column);
  const isColumn = (column) => isSetting(column) || data.metricNamed.has(column);
  const isRun = (run) => Number.isInteger(run) && run in data.runs.id;
  const all = (test, count = value.length) => Array.isArray(value) && value.length === count && value.every(test);
  switch (name) {
    case "metric":
      return data.metricNamed.has(value);
    case "by":
      return value.length > 0 && all(isSetting);
    case "heat":
      return all(isSetting, 2);
    case "columns":
      return all(isColumn);
    case "x":
    case "y":
      return isColumn(value);
    case "curve":
      return value in data.curves;
    case "lit":
      return all(isRun);
    case "pair":
      return all(isRun, 2);
    case "opened":
      return isRun(value);
    case "sort":
      return typeof value.column === "string";
    default:
      return typeof value === typeof DEFAULTS[name];
  }
}
