// Parallel coordinates: a line a run; brushing an axis filters the whole page.

import { Chart, levelTicks } from "#charts";
import { axisValue, spansDecades } from "#data";
import { shortNumber } from "#dom";
import { isNarrow } from "#width";
import { selectedRuns } from "#selection";
import { afterFrame } from "#steps";

const FEW = 200; // lines, up to which they are drawn at twice the resolution
const MOST = 300; // lines: without a graphics card a brush waits for each of them
const STEPS = 40; // of an axis of results: to them a brush snaps
const APART = 0.06; // of an axis: ticks that are nearer to its end have no number
const EDGE = 1e-6; // beyond a brush's end, which Plotly sets at a level, within rounding

export function parallelChart(data, state) {
  let axes = [];
  let isBrush = false; // the change that comes now is our own, and drawn already
  const listen = (plot) => {
    plot.on("plotly_restyle", ([changes]) => {
      for (const key of Object.keys(changes)) {
        const found = /^dimensions\[(\d+)\]\.constraintrange$/.exec(key);
        if (!found) continue;
        const [axis, constraint] = [axes[Number(found[1])], changes[key]?.[0] ?? null];
        afterFrame(() => {
          isBrush = true;
          brushed(axis, constraint, state);
        });
      }
    });
  };
  const draw = (view, colors) => {
    axes = axesOf(view);
    const drawn = selectedRuns(data, { ...view.state, filters: elsewhere(view.state.filters, axes) });
    const all = drawn.filter((run) => axes.every(({ column }) => axisValue(column, run) !== null));
    if (all.length === 0) return "No run has a value on every axis.";
    const runs = thinned(all, view);
    const isLit = view.lit.size > 0;
    const angle = isNarrow() ? -30 : axes.length > 6 ? -12 : 0;
    const shade = isLit
      ? runs.map((run) => Number(view.lit.has(run)))
      : ranks(runs.map((run) => view.metric.values[run]));
    return {
      label: `Parallel coordinates of ${all.length} runs over ${axes.map(({ title }) => title).join(", ")}. The filters above the table do the same as brushing.`,
      key: keyOf(view, runs, colors),
      note:
        runs.length < all.length
          ? `${runs.length} of ${all.length} runs are drawn: those marked, and the others evenly from the best to the worst. A brush is for all.`
          : "",
      rows: all.map((run) => ({
        run: data.runs.id[run],
        ...Object.fromEntries(axes.map(({ column }) => [column.name, plain(column, run)])),
      })),
      traces: [
        {
          type: "parcoords",
          dimensions: axes.map((axis) => dimensionOf(axis, runs, view.state.filters[axis.column.name])),
          line: {
            color: shade,
            ...(isLit
              ? {
                  colorscale: [
                    [0, colors.line],
                    [1, colors.lit],
                  ],
                  cmin: 0,
                  cmax: 1,
                }
              : { colorscale: scaleOf(view.metric, colors) }),
          },
          unselected: { line: { color: colors.quiet, opacity: 0.12 } },
          labelfont: { color: colors.ink, size: 12 },
          tickfont: { color: colors.ink, size: 11 },
          rangefont: { color: "rgba(0,0,0,0)", size: 1 },
          labelangle: angle,
        },
      ],
      config: { plotGlPixelRatio: runs.length > FEW ? 1 : 2 }, // without a graphics card each pixel counts
      layout: { margin: { ...(isNarrow() ? { l: 40, r: 76 } : { l: 64, r: 80 }), t: angle ? 80 : 46, b: 18 } },
    };
  };
  const chart = new Chart("parallel-coordinates", {
    draw,
    listen,
    height: 380,
    minimum: data.settings.length + 2,
  });
  const update = (view) => {
    if (!isBrush) chart.update(view);
    isBrush = false;
  };
  return { node: chart.node, update };
}

/** All runs, or as many as can be drawn while a reader brushes. */
function thinned(runs, view) {
  if (runs.length <= MOST) return runs;
  const ranked = [...runs].sort((one, other) => view.metric.values[one] - view.metric.values[other]);
  const kept = new Set(runs.filter((run) => view.lit.has(run)));
  for (let place = 0; place < MOST; place++) kept.add(ranked[Math.round((place * (ranked.length - 1)) / (MOST - 1))]);
  return runs.filter((run) => kept.has(run));
}

/** The place of each value among all, 0..1: one run that learned nothing does not take the colours of the others. */
function ranks(values) {
  const sorted = [...new Set(values)].sort((one, other) => one - other);
  const place = new Map(sorted.map((value, index) => [value, sorted.length > 1 ? index / (sorted.length - 1) : 1]));
  return values.map((value) => place.get(value));
}

/** What the colours of lines mean: lit or not, else from the worst to the best of what is drawn. */
function keyOf(view, runs, colors) {
  if (view.lit.size > 0)
    return [
      [colors.lit, "marked"],
      [colors.line, "other runs"],
    ];
  const values = runs.map((run) => view.metric.values[run]).filter((value) => value !== null);
  const ends = [Math.min(...values), Math.max(...values)].map((value) => shortNumber(value));
  const scale = scaleOf(view.metric, colors).map(([, color]) => color);
  return [[`linear-gradient(90deg,${scale})`, `${view.metric.name} from ${ends[0]} to ${ends[1]}, in equal steps by rank`]];
}

/** From the worst over grey to the best. */
function scaleOf(metric, colors) {
  const scale = [colors.low, colors.series[6], colors.high];
  return (metric.lower_is_better ? scale.reverse() : scale).map((color, index) => [index / 2, color]);
}

function plain(column, run) {
  return "levels" in column ? column.levels[column.values[run]] : column.values[run];
}

function axesOf(view) {
  const columns = [...view.settings.map(({ column }) => column), view.comparison?.objective, view.metric];
  const shown = [...new Set(columns.filter(Boolean))];
  return shown.map((column) => {
    const values = [...Array(view.data.count).keys()].map((run) => axisValue(column, run));
    const isLog = (("levels" in column && column.numeric) || column.lower_is_better) && spansDecades(values);
    return { column, isLog, title: column.short ?? column.name.replace("best/", ""), values };
  });
}

function dimensionOf({ column, isLog, title, values }, runs, filter) {
  const place = (value) => (isLog ? Math.log10(value) : value);
  const own = runs.map((run) => place(axisValue(column, run)));
  const known = values.filter((value) => value !== null).map(place);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const room = "levels" in column && !column.numeric ? 0.5 : 0.04 * (high - low) || 0.5;
  const dimension = {
    label: title,
    values: own,
    range: [low - room, high + room],
    ...ticksOf(column, place, low, high, isLog),
  };
  if (!("levels" in column) && column.lower_is_better) dimension.range.reverse(); // better is up
  const constraint = filter && constraintOf(column, filter, place, room);
  if (constraint) dimension.constraintrange = constraint;
  return dimension;
}

function ticksOf(column, place, low, high, isLog) {
  if ("levels" in column && column.levels.length <= 9) return levelTicks(column, place);
  if (!isLog) return {};
  // Plotly draws an axis from its first to its last tick and lets a brush snap to ticks: both ends are ticks, and many
  // between them without a number.
  const whole = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power++)
    for (const digit of [1, 3]) whole.push(power + Math.log10(digit));
  const apart = APART * (high - low);
  const inside = whole.filter((value) => low + apart < value && value < high - apart);
  const numbered = new Map(inside.map((value) => [value, shortNumber(10 ** value, 1)]));
  for (const end of [low, high]) numbered.set(end, shortNumber(10 ** end, 2));
  for (let step = 1; step < STEPS; step++) {
    const value = low + (step / STEPS) * (high - low);
    if (!numbered.has(value)) numbered.set(value, "\u200b".repeat(step)); // no two texts may be equal
  }
  const tickvals = [...numbered.keys()].sort((one, other) => one - other);
  return { tickvals, ticktext: tickvals.map((value) => numbered.get(value)) };
}

function constraintOf(column, filter, place, room) {
  if (!("levels" in column)) return filter.ranges.map(([low, high]) => [place(Math.max(low, 1e-300)), place(high)]);
  const kept = new Set(filter.levels);
  const places = column.levels
    .map((level, index) => [level, column.numeric ? place(Number(level)) : index])
    .sort((one, other) => one[1] - other[1]);
  const ranges = [];
  let open = null;
  for (const [level, at] of places) {
    if (!kept.has(level)) open = null;
    else if (open) open[1] = at + EDGE;
    else ranges.push((open = [at - EDGE, at + EDGE]));
  }
  const grip = room / 4; // a brush on one level is still one that can be gripped
  return ranges.map(([low, high]) => [low - grip, high + grip]);
}

function elsewhere(filters, axes) {
  const own = new Set(axes.map(({ column }) => column.name));
  return Object.fromEntries(Object.entries(filters).filter(([name]) => !own.has(name)));
}

function brushed({ column, isLog }, constraint, state) {
  const name = column.name;
  if (constraint === null || constraint.length === 0) return state.filter(name, null);
  const ranges = (typeof constraint[0] === "number" ? [constraint] : constraint).map((range) =>
    [...range].sort((one, other) => one - other),
  );
  const back = (value) => (isLog ? 10 ** value : value);
  if (!("levels" in column))
    return state.filter(name, { ranges: ranges.map(([low, high]) => [back(low), back(high)]) });
  const inside = column.levels.filter((level, index) => {
    const at = column.numeric ? (isLog ? Math.log10(Number(level)) : Number(level)) : index;
    return ranges.some(([low, high]) => low - EDGE <= at && at <= high + EDGE);
  });
  return state.filter(name, inside.length ? { levels: inside } : null);
}
