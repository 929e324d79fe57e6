// How much of the differences between runs each setting explains by itself, for the runs that are left.

import { Chart } from "#charts";
import { importanceOf } from "#variance";

const ROOM = 34; // pixels of a setting

export function importanceView(data) {
  let bars = [];
  const draw = (view, colors) => {
    if (bars.length === 0) return "No variance between the runs that are left to tell chance by.";
    const shown = [...bars].reverse(); // the largest on top
    const told = (one, other) => shown.map((bar) => (bar.told_from_zero ? one : other));
    return {
      label: `Share of the variance of ${view.metric.name} that each setting explains: ${bars.map(words).join("; ")}`,
      rows: bars,
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
        yaxis: { type: "category", autorange: true },
      },
    };
  };
  const chart = new Chart("importance", { draw, height: 90 + ROOM * data.importance.length });
  const update = function* (view) {
    bars = view.comparison === null ? [] : yield* importanceOf(view.comparison);
    chart.update(view);
  };
  return { node: chart.node, update };
}

function words({ setting, value, low, high, told_from_zero, unit }) {
  const share = `${setting} ${percent(value)} (${percent(low)} to ${percent(high)}, over ${unit})`;
  return told_from_zero ? share : `${share}, cannot be told from zero`;
}

function percent(value) {
  return `${Math.round(100 * value)} %`;
}
