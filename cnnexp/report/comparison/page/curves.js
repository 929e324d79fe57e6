// Learning curves: a line and a band a row, from its runs at each epoch.

import { Chart, faded, escaped } from "#charts";
import { choice, element } from "#dom";
import { colorOf, dashOf } from "#marks";
import { quantile, tInterval } from "#statistics";

const ROWS = 8; // as many as there are colours
const DIVERGED = 30; // largest over smallest value, from which a linear axis hides the rest

export function curvesView(data, state) {
  const bar = element("div", { class: "bar" });
  const names = Object.keys(data.curves);
  const nameOf = (view) => view.state.curve ?? names[0];
  const draw = (view, colors) => {
    const name = nameOf(view);
    const groups = drawnGroups(view);
    const traces = groups.flatMap((group) => tracesOf(data, view, group, name, colors));
    if (traces.length === 0) return `No run that is left recorded ${name}.`;
    const values = traces.flatMap((trace) => trace.y).filter((value) => value !== null);
    const isLog = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= DIVERGED;
    return {
      label: `${name} over epochs of ${groups.map(({ label }) => label).join("; ")}`,
      rows: traces
        .filter(({ hoverinfo }) => hoverinfo !== "skip")
        .flatMap((trace) => trace.x.map((epoch, index) => ({ row: trace.name, epoch, [name]: trace.y[index] }))),
      traces,
      key: groups.map((group) => [colorOf(group, colors), group.label, dashOf(group, colors) === "solid" ? "━" : "╍"]),
      layout: {
        hovermode: "x unified",
        hoverdistance: -1,
        legend: { orientation: "h", y: -0.22 },
        xaxis: { title: "epoch", hoverformat: "d" },
        yaxis: { title: isLog ? `${name} (log axis)` : name, type: isLog ? "log" : "linear" },
      },
    };
  };
  const chart = new Chart("learning-curves", { draw, height: 360 });
  const update = (view) => {
    bar.replaceChildren(
      choice(
        "curve",
        names.map((name) => [name, name]),
        nameOf(view),
        (curve) => state.set({ curve }),
      ),
      choice(
        "band",
        [
          ["quartiles", "median and quartiles"],
          ["interval", "mean and 95 % interval"],
          ["runs", "every run"],
        ],
        view.state.band,
        (band) => state.set({ band }),
      ),
    );
    chart.update(view);
  };
  return { node: element("div", {}, bar, chart.node), update };
}

/** The rows that are lit up, or the first ones. */
function drawnGroups(view) {
  const lit = view.groups.filter((group) => group.runs.some((run) => view.lit.has(run)));
  return (lit.length ? lit : view.groups).slice(0, ROWS);
}

function tracesOf(data, view, group, name, colors) {
  const [color, dash] = [colorOf(group, colors), dashOf(group, colors)];
  const curves = group.runs.map((run) => data.curves[name][run]).filter((curve) => curve !== null);
  if (curves.length === 0) return [];
  const label = escaped(group.label);
  const line = { color, dash, width: 2 };
  if (view.state.band === "runs") {
    return curves.map(([x, y], index) => ({
      type: "scatter",
      mode: "lines",
      x,
      y,
      name: label,
      legendgroup: label,
      showlegend: index === 0,
      line: { color, dash, width: 1.4 },
      hovertemplate: "%{y:.4g}",
    }));
  }
  const [x, middle, low, high] = bandOf(curves, view.state.band);
  const edge = (y, more) => ({
    type: "scatter",
    mode: "lines",
    x,
    y,
    legendgroup: label,
    showlegend: false,
    hoverinfo: "skip",
    line: { width: 0, color },
    ...more,
  });
  const median = {
    type: "scatter",
    mode: "lines",
    x,
    y: middle,
    name: label,
    legendgroup: label,
    line,
    customdata: low.map((value, index) => [value, high[index]]),
    hovertemplate: "%{y:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g})",
  };
  if (curves.length === 1) return [{ ...median, hovertemplate: "%{y:.4g}" }];
  return [edge(low, {}), edge(high, { fill: "tonexty", fillcolor: faded(color, 0.18) }), median];
}

/** Epochs, and at each the middle, low and high of the runs that got so far. */
function bandOf(curves, kind) {
  const byEpoch = new Map();
  for (const [epochs, values] of curves) {
    epochs.forEach((epoch, index) => {
      if (values[index] === null) return;
      if (!byEpoch.has(epoch)) byEpoch.set(epoch, []);
      byEpoch.get(epoch).push(values[index]);
    });
  }
  const x = [...byEpoch.keys()].sort((one, other) => one - other);
  const bands = x.map((epoch) => {
    const values = byEpoch.get(epoch).sort((one, other) => one - other);
    if (kind === "quartiles") return [quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75)];
    const { mean, low, high } = tInterval(values);
    return [mean, low ?? mean, high ?? mean];
  });
  return [x, ...[0, 1, 2].map((part) => bands.map((band) => band[part]))];
}
