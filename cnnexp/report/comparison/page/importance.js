// How much of the differences between runs each setting explains by itself, as the command line computes it.

import { Chart } from "#charts";

export function importanceChart(data) {
  const bars = [...data.importance].reverse(); // the largest on top
  const draw = (view, colors) => ({
    label: `Share of the variance of ${data.metric} that each setting explains: ${data.importance.map(words).join("; ")}`,
    rows: data.importance,
    traces: [
      {
        type: "scatter",
        mode: "markers",
        x: bars.map(({ value }) => 100 * value),
        y: bars.map(({ setting }) => setting),
        error_x: {
          type: "data",
          symmetric: false,
          thickness: 3,
          width: 0,
          color: colors.quiet,
          array: bars.map(({ value, high }) => 100 * (high - value)),
          arrayminus: bars.map(({ value, low }) => 100 * (value - low)),
        },
        marker: {
          size: 11,
          color: bars.map((bar) => (bar.told_from_zero ? colors.best : colors.card)),
          line: { width: 2, color: bars.map((bar) => (bar.told_from_zero ? colors.best : colors.quiet)) },
        },
        text: bars.map(words),
        hovertemplate: "%{text}<extra></extra>",
      },
    ],
    layout: {
      hovermode: "closest",
      margin: { r: 30 },
      xaxis: { title: "% of the variance", range: [-2, 102], zeroline: true },
      yaxis: { type: "category" },
    },
  });
  return new Chart("importance", { draw, height: 90 + 34 * bars.length });
}

function words({ setting, value, low, high, told_from_zero, unit }) {
  const share = `${setting} ${percent(value)} (${percent(low)} to ${percent(high)}, over ${unit})`;
  return told_from_zero ? share : `${share}, cannot be told from zero`;
}

function percent(value) {
  return `${Math.round(100 * value)} %`;
}
