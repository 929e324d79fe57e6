// What the views draw, computed once for every change of the state.

import { comparing } from "#comparing";
import { configurations, labelOf, varyingSettings } from "#design";
import { selectedRuns } from "#selection";

/** Compute views of the data for a state, in steps: {runs, comparison, groups, settings, metric, lit, ...}. */
export function viewer(data) {
  const all = [...Array(data.count).keys()];
  const recorded = all.filter((run) => data.settings.some(({ missing }) => !missing.includes(run)));
  let last = null;
  const places = new Map(); // by settings: the place of each row when it was first seen, which keeps its colour
  return function* (state) {
    const metric = state.metric ?? data.metric;
    const by = state.by ?? data.by;
    const key = JSON.stringify([state.hideFailed, state.search, state.filters, metric, by]);
    if (last?.key !== key) {
      const runs = selectedRuns(data, state);
      const settings = varyingSettings(data, recorded.length ? recorded : all, by); // of all runs: columns stay while brushing
      const comparison = yield* comparing(data, runs, metric, by);
      last = {
        key,
        runs,
        settings,
        comparison,
        isWhole: runs.length === data.count,
        groups: groupsOf(data, runs, settings, comparison, places),
      };
    }
    return { ...last, data, state, metric: data.metricNamed.get(metric), lit: new Set(state.lit) };
  };
}

/** Rows of the table: compared ones in their order, then those of which no run was compared; each with all its runs. */
function groupsOf(data, runs, settings, comparison, places) {
  const ofRun = new Map();
  const compared = comparison?.rows ?? [];
  const groups = configurations(runs, settings);
  for (const group of groups) for (const run of group.runs) ofRun.set(run, group);
  const ranked = [];
  for (const row of compared) {
    const group = ofRun.get(row.runs[0]);
    if (group.row === undefined) {
      group.row = row;
      ranked.push(group);
    }
  }
  const ordered = [...ranked, ...groups.filter((group) => group.row === undefined)];
  const names = settings.map(({ column }) => column.name).join(" ");
  if (!places.has(names)) places.set(names, new Map());
  const own = places.get(names);
  ordered.forEach((group, index) => {
    if (!own.has(group.key)) own.set(group.key, own.size);
    group.place = own.get(group.key);
    group.index = index;
    group.label = labelOf(data, settings, group.runs);
  });
  return ordered;
}
