// The columns of the table, of rows that fold seeds and of single runs.

import { nameOfRuns } from "#design";
import { shortNumber } from "#dom";
import { mean } from "#statistics";
import { gainText, MARKS, meanText, unitText, valueText } from "#wording";

/** A column: {key, title, numeric, text(row), sortBy(row), best: 1 | -1}. */
export function groupColumns(view) {
  const { data, metric, comparison } = view;
  const lower = metric.lower_is_better ? " (lower is better)" : "";
  return [
    { key: "", title: "", label: "standing", text: ({ row }) => mark(row), sortBy: ({ index }) => index },
    ...view.settings.map(({ column }) => settingColumn(column)),
    ...(view.settings.length
      ? []
      : [
          {
            key: "name",
            title: "name",
            text: ({ runs }) => nameOfRuns(data, runs),
            sortBy: ({ runs }) => nameOfRuns(data, runs),
          },
        ]),
    {
      key: "runs",
      title: "runs",
      numeric: true,
      text: ({ runs }) => String(runs.length),
      sortBy: ({ runs }) => runs.length,
    },
    {
      key: "ended",
      title: "ended",
      text: ({ runs }) => endings(data, runs) || "learned",
      sortBy: ({ runs }) => endings(data, runs),
    },
    ...(comparison?.objective
      ? [
          {
            key: "objective",
            title: comparison.objective.name.replace("best/", ""),
            numeric: true,
            text: ({ row }) => (row ? valueText(row.objective, comparison.objective) : "–"),
            sortBy: ({ row }) => row?.objective.mean ?? null,
          },
        ]
      : []),
    {
      key: "score",
      title: `${metric.name}${lower}`,
      numeric: true,
      text: ({ row }) => (row?.learned ? valueText(row.score, metric) : "–"),
      sortBy: ({ row }) => row?.score.mean ?? null,
    },
    ...(data.runs.learned_nothing.some(Boolean)
      ? [
          {
            key: "all",
            title: "of all runs",
            numeric: true,
            text: ({ row }) => (row ? meanText(row.scoreAll, metric) : "–"),
            sortBy: ({ row }) => row?.scoreAll.mean ?? null,
          },
        ]
      : []),
    {
      key: "gain",
      title: `vs ★, ${unitText(metric)}`,
      numeric: true,
      text: ({ row }) => gainOf(row, view),
      sortBy: ({ row }) => row?.overSeeds?.gain.mean ?? null,
    },
    ...chosenMetrics(view),
    ...imagesColumn(view),
  ];
}

/** A button that shows the images which the row's best model gets wrong. */
function imagesColumn({ data }) {
  const answered = ({ row, runs }) =>
    row && data.answers.of(row.bestRun) ? row.bestRun : runs.find((run) => data.answers.of(run));
  return data.answers ? [{ key: "images", title: "", label: "images", open: answered, text: () => "" }] : [];
}

export function runColumns(view) {
  const { data, metric, comparison } = view;
  const objective = comparison?.objective;
  return [
    {
      key: "run",
      title: "run",
      text: ({ runs }) => data.runs.name[runs[0]],
      sortBy: ({ runs }) => data.runs.name[runs[0]],
    },
    ...view.settings.map(({ column }) => settingColumn(column)),
    {
      key: "seed",
      title: "seed",
      numeric: true,
      text: ({ runs }) => data.runs.seed[runs[0]].slice(0, 12),
      sortBy: ({ runs }) => Number(data.runs.seed[runs[0]]),
    },
    {
      key: "ended",
      title: "ended",
      text: ({ runs }) => endings(data, runs) || "learned",
      sortBy: ({ runs }) => endings(data, runs),
    },
    ...(objective && objective !== metric ? [metricColumn(objective)] : []),
    metricColumn(metric),
    ...chosenMetrics(view),
    ...imagesColumn(view),
  ];
}

function chosenMetrics(view) {
  const chosen = view.state.columns ?? (view.data.metricNamed.has("seconds/train") ? ["seconds/train"] : []);
  return chosen
    .map((name) => view.data.metricNamed.get(name) ?? view.data.settingNamed.get(name))
    .filter(Boolean)
    .map((column) => ("levels" in column ? settingColumn(column) : metricColumn(column)));
}

function settingColumn(column) {
  const text = ({ runs }) => [...new Set(runs.map((run) => column.texts[column.values[run]]))].join(", ");
  return {
    key: column.name,
    title: column.short,
    label: column.name,
    numeric: column.numeric,
    text,
    sortBy: ({ runs }) => column.values[runs[0]],
  };
}

function metricColumn(column) {
  const value = ({ runs }) => {
    const known = runs.map((run) => column.values[run]).filter((each) => each !== null);
    return known.length ? mean(known) : null;
  };
  const title = column.name === "seconds/train" ? "train s" : column.name.replace("best/", "");
  return {
    key: column.name,
    title,
    label: column.name,
    numeric: true,
    text: (row) => shortNumber(value(row)),
    sortBy: value,
  };
}

function mark(row) {
  return row ? MARKS[row.standing] : "";
}

/** Over seeds where there are two or more, else as a model on the same images. */
function gainOf(row, { comparison, metric }) {
  if (!row) return "";
  if (row.overSeeds !== null && row.overSeeds.gain.n > 1) return gainText(row.overSeeds.gain, metric);
  const model = comparison.models.find(
    (each) => each.run === row.bestRun && row.runs.length === 1 && comparison.rows[0].runs.length === 1,
  );
  const gain = model?.difference.gain ?? row.overSeeds?.gain;
  return gain ? gainText(gain, metric) : "";
}

/** How runs ended that did not learn, such as "2/5 collapsed, 1 failed"; empty where all learned. */
export function endings(data, runs) {
  const counts = new Map();
  for (const run of runs) {
    const status = data.runs.status[run];
    const how = status !== "finished" ? status : data.runs.learned_nothing[run] || null;
    if (how !== null) counts.set(how, (counts.get(how) ?? 0) + 1);
  }
  return [...counts].map(([how, count]) => (count === runs.length ? how : `${count}/${runs.length} ${how}`)).join(", ");
}
