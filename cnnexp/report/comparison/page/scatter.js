// Any setting or metric against any other, a point a run; dragging a box filters the page.

import { axisOf, Chart, escaped } from "#charts";
import { axisValue, columnNamed } from "#data";
import { choice, element, shortNumber } from "#dom";
import { endings } from "#columns";
import { beyondText, endsOf, within } from "#edges";
import { keyOf, markerOf } from "#marks";

const MOST_SHAPES = 300; // above, points are pixels of one canvas: as many shapes take longer to draw than a frame has

export function scatterView(data, state) {
  const bar = element("div", { class: "bar" });
  let axes = null;
  const listen = (plot) => {
    plot.on("plotly_selected", (event) => {
      if (!event?.range) return;
      const filters = { ...state.values.filters };
      for (const [axis, range] of Object.entries(event.range))
        filters[axes[axis[0]].name] = filterOf(axes[axis[0]], range, endsOf(data, axes[axis[0]]));
      state.set({ filters });
    });
    plot.on("plotly_click", ({ points }) => state.toggleLit([points[0].customdata]));
  };
  const draw = (view, colors) => {
    axes = axesOf(view);
    const { x, y } = axes;
    const runs = view.runs.filter((run) => axisValue(x, run) !== null && axisValue(y, run) !== null);
    if (runs.length === 0) return `No run that is left has both ${x.name} and ${y.name}.`;
    const values = { x: runs.map((run) => axisValue(x, run)), y: runs.map((run) => axisValue(y, run)) };
    const ends = { x: endsOf(data, x), y: endsOf(data, y) };
    const drawn = (axis) => values[axis].map((value) => within(ends[axis], value));
    const axisWithin = (axis, column) => ({
      ...axisOf(column, valuesOf(data, column), column.name),
      ...(ends[axis] ? { range: ends[axis] } : {}),
    });
    return {
      note: beyondText(ends.y, values.y) || beyondText(ends.x, values.x),
      label: `${y.name} against ${x.name} for ${runs.length} runs`,
      rows: runs.map((run, index) => ({
        run: data.runs.id[run],
        [x.name]: values.x[index],
        [y.name]: values.y[index],
      })),
      traces: [
        {
          type: runs.length > MOST_SHAPES ? "scattergl" : "scatter",
          mode: "markers",
          x: drawn("x"),
          y: drawn("y"),
          customdata: runs,
          text: runs.map((run) => `${hover(data, view, run)}<br>${valueOf(y, run)} at ${valueOf(x, run)}`),
          hovertemplate: "%{text}<extra></extra>",
          marker: markerOf(data, view, runs, colors),
          cliponaxis: false,
        },
      ],
      key: keyOf(data, view, runs, colors),
      layout: {
        dragmode: "select",
        hovermode: "closest",
        xaxis: axisWithin("x", x),
        yaxis: axisWithin("y", y),
        newselection: { line: { color: colors.ink } },
      },
    };
  };
  const chart = new Chart("scatter", { draw, listen });
  const names = [...data.settings, ...data.metrics].map(({ name }) => [name, name]);
  const update = (view) => {
    const { x, y } = axesOf(view);
    bar.replaceChildren(
      choice("across", names, x.name, (name) => state.set({ x: name })),
      choice("up", names, y.name, (name) => state.set({ y: name })),
    );
    chart.update(view);
  };
  return { node: element("div", {}, bar, chart.node), update };
}

/** Of all runs, so that an axis stays what it is while a reader filters. */
function valuesOf(data, column) {
  return [...Array(data.count).keys()].map((run) => axisValue(column, run));
}

function axesOf({ data, state, metric, settings, comparison }) {
  const first =
    (settings.find(({ column }) => column.numeric) ?? settings[0])?.column ?? comparison?.objective ?? metric;
  return { x: columnNamed(data, state.x) ?? first, y: columnNamed(data, state.y) ?? metric };
}

export function hover(data, view, run) {
  const values = view.settings.map(({ column }) => `${column.short}=${column.texts[column.values[run]]}`);
  return [data.runs.name[run], ...values, `seed=${data.runs.seed[run].slice(0, 12)}`, endings(data, [run])]
    .filter(Boolean)
    .map(escaped)
    .join("<br>");
}

/** A run's level or number on an axis, as text. */
function valueOf(column, run) {
  return "levels" in column ? escaped(column.texts[column.values[run]]) : shortNumber(column.values[run]);
}

/** What a box keeps; one that reaches to an edge also keeps what lies beyond. */
function filterOf(column, range, ends) {
  const [low, high] = [...range].sort((one, other) => one - other);
  const [lowest, highest] = [-Infinity, Infinity].map((value) => within(ends, value));
  if (!("levels" in column)) return { ranges: [[low <= lowest ? -1e300 : low, high >= highest ? 1e300 : high]] };
  return {
    levels: column.levels.filter((level, index) => {
      const at = column.numeric ? Number(level) : index;
      return low <= at && at <= high;
    }),
  };
}
