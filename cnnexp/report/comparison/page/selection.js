// Which runs are left after search and filters, and whether a reader chose them by their results.

import { levelOf } from "#data";

export const LEFT_OUT = new Set(["pruned", "diverged", "failed", "killed", "running", "waiting"]);

/** The runs (indices) that pass everything a reader has set; `except` names a column whose filter is passed over. */
export function selectedRuns(data, state, except = null) {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (let run = 0; run < data.count; run++) {
    if (state.hideFailed && (LEFT_OUT.has(data.runs.status[run]) || data.runs.learned_nothing[run])) continue;
    if (!passes(data, state.filters, run, except)) continue;
    if (words.length && !matches(data, run, words)) continue;
    found.push(run);
  }
  return found;
}

function passes(data, filters, run, except) {
  for (const [name, filter] of Object.entries(filters)) {
    if (name === except) continue;
    const setting = data.settingNamed.get(name);
    if (setting !== undefined) {
      if (!filter.levels.includes(levelOf(setting, run))) return false;
      continue;
    }
    const value = data.metricNamed.get(name)?.values[run] ?? null;
    if (value === null || !filter.ranges.some(([low, high]) => low <= value && value <= high)) return false;
  }
  return true;
}

function matches(data, run, words) {
  const own = [
    data.runs.name[run],
    data.runs.id[run],
    data.runs.status[run],
    data.runs.learned_nothing[run],
    data.runs.failure[run],
    `seed=${data.runs.seed[run]}`,
  ];
  for (const setting of data.settings) own.push(`${setting.name}=${levelOf(setting, run)}`, setting.texts[setting.values[run]]);
  const text = own.join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Whether runs were chosen by what came out: then even settings without any difference would look different. */
export function chosenByResult(data, state) {
  return state.hideFailed || Object.keys(state.filters).some((name) => data.metricNamed.has(name));
}

export function isNarrowed(data, state) {
  return selectedRuns(data, state).length < data.count;
}
