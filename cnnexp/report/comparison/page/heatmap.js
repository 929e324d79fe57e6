// Two settings against each other: the mean of the metric over the runs of every cell that learned, and how many did not.

import { Chart, escaped, tick } from "#charts";
import { choice, element, plural, shortNumber } from "#dom";
import { endings } from "#columns";
import { writtenOn } from "#contrast";
import { mean } from "#statistics";

export function heatmapView(data, state) {
  const bar = element("div", { class: "bar" });
  const draw = (view, colors) => {
    const [across, up] = axesOf(view);
    if (up === undefined) return "A heat map takes two settings that differ.";
    const cells = cellsOf(data, view, across, up);
    const known = cells
      .flat()
      .map(({ value }) => value)
      .filter((value) => value !== null);
    if (known.length === 0) return "No run that is left has the metric and learned.";
    const scale = [
      [0, colors.well],
      [1, colors.high],
    ];
    const colorscale = view.metric.lower_is_better ? scale.map(([at], index) => [at, scale[1 - index][1]]) : scale;
    const z = cells.map((line) => line.map(({ value }) => value));
    const isFew = across.levels.length * up.levels.length <= 150;
    return {
      label: `${view.metric.name} by ${across.name} and ${up.name}, from ${shortNumber(Math.min(...known))} to ${shortNumber(Math.max(...known))}`,
      rows: cells
        .flat()
        .filter(({ runs }) => runs > 0)
        .map(({ x, y, value, runs, ended }) => ({
          [across.name]: across.levels[x],
          [up.name]: up.levels[y],
          [view.metric.name]: value,
          runs,
          ended,
        })),
      traces: [
        {
          type: "heatmap",
          z,
          x: across.levels.map((_, index) => index),
          y: up.levels.map((_, index) => index),
          customdata: cells.map((line) => line.map((cell) => cell.hover)),
          hovertemplate: "%{customdata}<extra></extra>",
          colorscale,
          xgap: 2,
          ygap: 2,
          hoverongaps: false,
          colorbar: { thickness: 10, tickfont: { color: colors.quiet }, outlinewidth: 0 },
        },
        ...(isFew ? [writtenOn(z, textsOf(cells), colorscale, Math.min(...known), Math.max(...known))] : []),
        withoutScore(cells, colors),
      ],
      layout: {
        xaxis: {
          title: across.name,
          tickvals: across.levels.map((_, index) => index),
          ticktext: across.texts.map((text) => tick(text)),
          showgrid: false,
          zeroline: false,
        },
        yaxis: {
          title: up.name,
          tickvals: up.levels.map((_, index) => index),
          ticktext: up.texts.map((text) => tick(text)),
          showgrid: false,
          zeroline: false,
        },
      },
    };
  };
  const chart = new Chart("heat-map", { draw, height: 360 });
  const update = (view) => {
    const [across, up] = axesOf(view);
    const names = data.settings.map(({ name }) => [name, name]);
    const set = (index) => (name) => {
      const heat = [across?.name, up?.name];
      heat[index] = name;
      state.set({ heat });
    };
    bar.replaceChildren(
      ...(up ? [choice("across", names, across.name, set(0)), choice("up", names, up.name, set(1))] : []),
    );
    chart.update(view);
  };
  return { node: element("div", {}, bar, chart.node), update };
}

function textsOf(cells) {
  return cells.map((line) => line.map(({ text }) => text));
}

/** Cells of which no run learned: they have no colour, and say why. */
function withoutScore(cells, colors) {
  const failed = cells.flat().filter(({ value, runs }) => value === null && runs > 0);
  return {
    type: "scatter",
    mode: "text",
    x: failed.map(({ x }) => x),
    y: failed.map(({ y }) => y),
    text: failed.map(({ text }) => text),
    customdata: failed.map(({ hover }) => hover),
    hovertemplate: "%{customdata}<extra></extra>",
    textfont: { color: colors.bad },
    showlegend: false,
  };
}

/** Those a reader chose, else those of the first interaction that is said, else the first two. */
function axesOf({ data, state, settings, comparison }) {
  const [said] = [...(comparison?.failureInteractions ?? []), ...(comparison?.scoreInteractions ?? [])];
  const usual = said ? [said.setting, said.other] : settings;
  return (state.heat ?? [0, 1].map((place) => usual[place]?.column.name)).map((name) => data.settingNamed.get(name));
}

function cellsOf(data, view, across, up) {
  const usable = new Set(view.comparison?.usable);
  const inCell = new Map();
  for (const run of view.runs) {
    const key = `${across.values[run]} ${up.values[run]}`;
    if (!inCell.has(key)) inCell.set(key, []);
    inCell.get(key).push(run);
  }
  return up.levels.map((_, y) =>
    across.levels.map((_, x) => {
      const runs = inCell.get(`${x} ${y}`) ?? [];
      const learned = runs.filter((run) => usable.has(run) && data.runs.learned_nothing[run] === "");
      const values = learned.map((run) => view.metric.values[run]);
      const value = values.length ? mean(values) : null;
      const ended = endings(data, runs);
      const lost = runs.length - learned.length;
      const text = [value === null ? "" : shortNumber(value, 3), lost ? `× ${lost} of ${runs.length}` : ""]
        .filter(Boolean)
        .join("<br>");
      const hover = [
        `${across.short} ${across.texts[x]}, ${up.short} ${up.texts[y]}`,
        `${shortNumber(value)} over ${learned.length} of ${plural(runs.length, "run")}`,
        ended,
      ]
        .filter(Boolean)
        .map(escaped)
        .join("<br>");
      return { x, y, value, runs: runs.length, ended, text, hover };
    }),
  );
}
