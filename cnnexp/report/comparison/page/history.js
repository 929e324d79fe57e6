// Runs in the order in which they began: for a search, how it went; pruned runs are marked as what they are.

import { Chart, levelTicks, oneByOne } from "#charts";
import { signOf } from "#seeds";
import { axisValue, columnNamed } from "#data";
import { element, shortNumber } from "#dom";
import { beyondText, endsOf, within } from "#edges";
import { keyOf, markerOf } from "#marks";
import { hover } from "#scatter";

export function historyChart(data, state) {
  const draw = (view, colors) => {
    const objective = view.comparison?.objective ?? view.metric;
    const runs = view.runs.filter((run) => objective.values[run] !== null); // runs are kept in the order of their start
    if (runs.length === 0) return "No run shown has a result.";
    const number = new Map(view.runs.map((run, index) => [run, index + 1]));
    const isPruned = (run) => data.runs.status[run] === "pruned";
    const finished = runs.filter((run) => !isPruned(run));
    let best = null;
    const soFar = finished.map((run) => {
      const value = objective.values[run];
      best = best === null || signOf(objective) * value > signOf(objective) * best ? value : best;
      return best;
    });
    const pruned = runs.filter(isPruned);
    const values = runs.map((run) => objective.values[run]);
    const isLog =
      objective.lower_is_better && Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= 30;
    const ends = isLog ? null : endsOf(data, objective);
    return {
      note: beyondText(ends, values),
      label: `${objective.name} of ${runs.length} runs in the order in which they began, ${pruned.length} of them pruned; the best is ${best}`,
      rows: runs.map((run) => ({
        number: number.get(run),
        run: data.runs.id[run],
        [objective.name]: objective.values[run],
        ended: data.runs.status[run],
      })),
      traces: [
        {
          type: "scatter",
          mode: "lines",
          name: "best so far",
          x: finished.map((run) => number.get(run)),
          y: soFar.map((value) => within(ends, value)),
          line: { color: colors.quiet, width: 2, shape: "hv" },
          hoverinfo: "skip",
        },
        {
          type: "scatter",
          mode: "markers",
          name: "runs",
          x: runs.map((run) => number.get(run)),
          y: values.map((value) => within(ends, value)),
          customdata: runs,
          text: runs.map((run) => `${hover(data, view, run)}<br>${shortNumber(objective.values[run])}`),
          hovertemplate: "%{text}<extra></extra>",
          marker: markerOf(data, view, runs, colors),
          cliponaxis: false,
        },
      ],
      key: [[colors.quiet, "best so far", "━"], ...keyOf(data, view, runs, colors)],
      layout: {
        hovermode: "closest",
        legend: { orientation: "h", y: -0.2 },
        xaxis: { title: "run, in the order of their start", hoverformat: "d" },
        yaxis: {
          title: objective.name.replace("best/", ""),
          type: isLog ? "log" : "linear",
          ...(ends ? { range: ends } : {}),
        },
      },
    };
  };
  const listen = (plot) =>
    plot.on(
      "plotly_click",
      ({ points }) => points[0].customdata !== undefined && state.toggleLit([points[0].customdata]),
    );
  return new Chart("history", { draw, listen });
}

/** Whether settings were drawn rather than listed: then nearly every run has a value of its own. */
export function isSearch(data) {
  return (
    data.runs.status.includes("pruned") ||
    data.settings.some(({ numeric, levels }) => numeric && levels.length > Math.max(8, data.count / 2))
  );
}

/** The objective over each setting that was drawn, one small chart beside the other. */
export function searchView(data) {
  const finished = [...Array(data.count).keys()].filter((run) => data.runs.status[run] === "finished");
  const names = data.settings
    .filter(({ values }) => new Set(finished.map((run) => values[run])).size > 1)
    .map(({ name }) => name);
  const charts = names.map(
    (name) =>
      new Chart(`slice-${name}`, {
        height: 240,
        draw: (view, colors) => slice(data, view, colors, columnNamed(data, name)),
      }),
  );
  const node = element("div", { class: "three" }, ...charts.map((chart) => chart.node));
  return { node, update: (view) => oneByOne(charts, view) };
}

function slice(data, view, colors, column) {
  const objective = view.comparison?.objective ?? view.metric;
  const runs = view.runs.filter((run) => objective.values[run] !== null && axisValue(column, run) !== null);
  if (runs.length === 0) return "No run shown has a result.";
  const x = runs.map((run) => axisValue(column, run));
  const y = runs.map((run) => objective.values[run]);
  const isLog = column.numeric && Math.min(...x) > 0 && Math.max(...x) / Math.min(...x) >= 8;
  const isLogUp = objective.lower_is_better && Math.min(...y) > 0 && Math.max(...y) / Math.min(...y) >= 30;
  const ticks = column.levels.length <= 8 ? levelTicks(column) : { nticks: 5 };
  return {
    label: `${objective.name} over ${column.name} for ${runs.length} runs`,
    rows: runs.map((run, index) => ({
      run: data.runs.id[run],
      [column.name]: column.levels[column.values[run]],
      [objective.name]: y[index],
      ended: data.runs.status[run],
    })),
    traces: [
      {
        type: "scatter",
        mode: "markers",
        x,
        y,
        text: runs.map((run) => hover(data, view, run)),
        hovertemplate: "%{text}<br>%{y:.4g}<extra></extra>",
        marker: { ...markerOf(data, view, runs, colors), size: 8 },
        cliponaxis: false,
      },
    ],
    layout: {
      hovermode: "closest",
      margin: { t: 6, r: 6, l: 60, b: 44 },
      xaxis: { title: column.short, type: isLog ? "log" : "linear", ...ticks },
      yaxis: { title: objective.name.replace("best/", ""), type: isLogUp ? "log" : "linear", nticks: 5 },
    },
  };
}
