// How much of the differences between runs each setting explains by itself, for the runs that are left.

import { Chart, tick } from "#charts";
import { plural } from "#dom";
import { importanceBothWays } from "#variance";
import { isNarrow } from "#width";

const ROOM = 34; // pixels of a setting
const LONGEST = [24, 48]; // letters of its name, on a telephone and elsewhere

export function importanceView(data) {
  let bars = [];
  let note = "";
  const draw = (view, colors) => {
    if (bars.length === 0) return "No variance between the runs shown to tell chance by.";
    const shown = [...bars].reverse(); // the largest on top
    const told = (one, other) => shown.map((bar) => (bar.told_from_zero ? one : other));
    return {
      label: `Share of the variance of ${view.metric.name} that each setting explains: ${bars.map(words).join("; ")}`,
      rows: bars,
      note,
      traces: [
        {
          type: "scatter",
          mode: "markers",
          x: shown.map(({ value }) => 100 * value),
          y: shown.map(({ setting }) => setting),
          error_x: {
            type: "data",
            symmetric: false,
            thickness: 3,
            width: 0,
            color: colors.quiet,
            array: shown.map(({ value, high }) => 100 * (high - value)),
            arrayminus: shown.map(({ value, low }) => 100 * (value - low)),
          },
          marker: {
            size: 11,
            color: told(colors.best, colors.card),
            line: { width: 2, color: told(colors.best, colors.quiet) },
          },
          cliponaxis: false, // points at 0 and at 100 are whole
          text: shown.map(words),
          hovertemplate: "%{text}<extra></extra>",
        },
      ],
      layout: {
        hovermode: "closest",
        margin: { r: 30 },
        xaxis: { title: "% of the variance", range: [-2, 102], zeroline: true },
        yaxis: {
          type: "category",
          autorange: true,
          tickvals: shown.map(({ setting }) => setting),
          ticktext: shown.map(({ setting }) => tick(setting, LONGEST[isNarrow() ? 0 : 1])),
        },
      },
    };
  };
  const chart = new Chart("importance", { draw, height: 90 + ROOM * data.importance.length });
  const update = function* (view) {
    const { all, learned } =
      view.comparison === null ? { all: [], learned: [] } : yield* importanceBothWays(view.comparison);
    bars = learned.length ? learned : all;
    note = noteOf(view.comparison, all, learned);
    chart.update(view);
  };
  return { node: chart.node, update };
}

/** Which runs the shares are over, and what those that learned nothing would change. */
function noteOf(comparison, all, learned) {
  if (comparison === null) return "";
  const { data, usable } = comparison;
  const nothing = usable.filter((run) => data.runs.learned_nothing[run] !== "").length;
  if (nothing === 0) return "";
  const runs = plural(usable.length, "run");
  if (learned.length === 0) {
    return `${nothing} of ${runs} learned nothing. They differ so much from the others that they dominate these shares; too few learned to leave them out.`;
  }
  const shares = all.map(({ setting, value }) => `${setting} ${percent(value)}`).join(", ");
  const drawn = new Set(learned.map(({ setting }) => setting));
  const missing = all.filter(({ setting }) => !drawn.has(setting)).map(({ setting }) => setting);
  const why = missing.length
    ? ` Not drawn, because the runs that learned do not vary enough in it: ${missing.join(", ")}.`
    : "";
  return `Over the ${usable.length - nothing} of ${runs} that learned: those that learned nothing differ so much from the others that they would dominate. With them: ${shares}.${why}`;
}

function words({ setting, value, low, high, told_from_zero, unit }) {
  const share = `${setting} ${percent(value)} (${percent(low)} to ${percent(high)}, over ${unit})`;
  return told_from_zero ? share : `${share}, cannot be told from zero`;
}

function percent(value) {
  return `${Math.round(100 * value)} %`;
}
