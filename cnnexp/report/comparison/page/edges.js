// Axes of results that reach as far as the runs that learned; runs that learned nothing stand at the edge.

import { plural } from "#dom";

const FLAT = 3; // times as long as for the runs that learned: from here an axis of all runs would hide their differences
const ROOM = 0.06; // of the axis, at each end
const INSET = 0.02; // of the axis: so far from its end stands what lies beyond, so that it is not cut

/** Both ends of the axis of a column by its runs that learned; null where the axis has room for all. */
export function endsOf(data, column) {
  if ("levels" in column) return null;
  const runs = [...Array(data.count).keys()].filter((run) => column.values[run] !== null);
  const learned = runs.filter((run) => data.runs.status[run] === "finished" && data.runs.learned_nothing[run] === "");
  const [low, high] = extent(learned.map((run) => column.values[run]));
  const [lowest, highest] = extent(runs.map((run) => column.values[run]));
  if (!(high > low) || highest - lowest < FLAT * (high - low)) return null;
  const room = ROOM * (high - low);
  return [low - room, high + room];
}

function extent(values) {
  return [Math.min(...values), Math.max(...values)];
}

/** A value, or where it is drawn at the end of the axis beyond which it lies. */
export function within(ends, value) {
  if (ends === null) return value;
  const inset = INSET * (ends[1] - ends[0]);
  return Math.min(ends[1] - inset, Math.max(ends[0] + inset, value));
}

/** How many of `values` lie beyond an axis, as a note; empty where none does. */
export function beyondText(ends, values) {
  const beyond = values.filter((value) => within(ends, value) !== value).length;
  return beyond ? `${plural(beyond, "run")} beyond the axis, drawn at its edge: it reaches as far as the runs that learned.` : "";
}
