// The table: one row a combination of settings (folds its seeds) or one row a run.

import { button, element, plural, shortNumber } from "#dom";
import { mean } from "#statistics";
import { gainText, MARKS, meanText, STANDINGS, unitText, valueText } from "#wording";

const SHOWN = 200; // rows that are in the document at once

export function tableView(data, state) {
  const head = element("thead");
  const body = element("tbody");
  const caption = element("caption", { class: "quiet" });
  const more = element("p", { class: "quiet" });
  const node = element("div", {}, element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "table of settings" }, element("table", { class: "runs" }, caption, head, body)), more);
  let shown = SHOWN;
  const update = (view) => {
    const columns = view.state.grouped ? groupColumns(view) : runColumns(view);
    const rows = sorted(view.state.grouped ? view.groups : view.runs.map((run) => ({ runs: [run] })), columns, view);
    head.replaceChildren(headerRow(columns, view, state));
    body.replaceChildren(...rows.slice(0, shown).map((row) => bodyRow(row, columns, view, state)));
    caption.textContent = `${plural(rows.length, view.state.grouped ? "combination of settings" : "run", view.state.grouped ? "combinations of settings" : undefined)} of ${plural(view.runs.length, "run")}`;
    more.replaceChildren();
    if (rows.length > shown) {
      more.append(`${rows.length - shown} more rows. `, button("Show all", () => { shown = rows.length; update(view); }));
    }
  };
  return { node, update };
}

/** A column: {key, title, numeric, text(row), sortBy(row), best: 1 | -1}. */
function groupColumns(view) {
  const { data, metric, comparison } = view;
  const lower = metric.lower_is_better ? " (lower is better)" : "";
  return [
    { key: "", title: "", label: "standing", text: ({ row }) => mark(row), sortBy: ({ index }) => index },
    ...view.settings.map(({ column }) => settingColumn(column)),
    ...(view.settings.length ? [] : [{ key: "run", title: "run", text: ({ runs }) => data.runs.name[runs[0]], sortBy: ({ runs }) => data.runs.name[runs[0]] }]),
    { key: "runs", title: "runs", numeric: true, text: ({ runs }) => String(runs.length), sortBy: ({ runs }) => runs.length },
    { key: "ended", title: "ended", text: ({ runs }) => endings(data, runs), sortBy: ({ runs }) => endings(data, runs) },
    ...(comparison?.objective ? [{
      key: "objective", title: comparison.objective.name.replace("best/", ""), numeric: true,
      text: ({ row }) => (row ? valueText(row.objective, comparison.objective) : "–"), sortBy: ({ row }) => row?.objective.mean ?? null,
    }] : []),
    { key: "score", title: `${metric.name}${lower}`, numeric: true, text: ({ row }) => (row?.learned ? valueText(row.score, metric) : "–"), sortBy: ({ row }) => row?.score.mean ?? null },
    ...(data.runs.learned_nothing.some(Boolean) ? [{ key: "all", title: "of all runs", numeric: true, text: ({ row }) => (row ? meanText(row.scoreAll, metric) : "–"), sortBy: ({ row }) => row?.scoreAll.mean ?? null }] : []),
    { key: "gain", title: `vs ★, ${unitText(metric)}`, numeric: true, text: ({ row }) => gainOf(row, view), sortBy: ({ row }) => row?.overSeeds?.gain.mean ?? null },
    ...chosenMetrics(view),
    ...imagesColumn(view),
  ];
}

/** A button that shows the images which the row's best model gets wrong. */
function imagesColumn({ data }) {
  const answered = ({ row, runs }) => (row && data.answers.of(row.bestRun) ? row.bestRun : runs.find((run) => data.answers.of(run)));
  return data.answers ? [{ key: "images", title: "", label: "images", open: answered, text: () => "" }] : [];
}

function runColumns(view) {
  const { data, metric, comparison } = view;
  const objective = comparison?.objective;
  return [
    { key: "run", title: "run", text: ({ runs }) => data.runs.name[runs[0]], sortBy: ({ runs }) => data.runs.name[runs[0]] },
    ...view.settings.map(({ column }) => settingColumn(column)),
    { key: "seed", title: "seed", numeric: true, text: ({ runs }) => data.runs.seed[runs[0]].slice(0, 12), sortBy: ({ runs }) => Number(data.runs.seed[runs[0]]) },
    { key: "ended", title: "ended", text: ({ runs }) => endings(data, runs) || "learned", sortBy: ({ runs }) => endings(data, runs) },
    ...(objective && objective !== metric ? [metricColumn(objective)] : []),
    metricColumn(metric),
    ...chosenMetrics(view),
    ...imagesColumn(view),
  ];
}

function chosenMetrics(view) {
  const chosen = view.state.columns ?? (view.data.metricNamed.has("seconds/train") ? ["seconds/train"] : []);
  return chosen.map((name) => view.data.metricNamed.get(name) ?? view.data.settingNamed.get(name)).filter(Boolean)
    .map((column) => ("levels" in column ? settingColumn(column) : metricColumn(column)));
}

function settingColumn(column) {
  const text = ({ runs }) => [...new Set(runs.map((run) => column.texts[column.values[run]]))].join(", ");
  return { key: column.name, title: column.short, label: column.name, numeric: column.numeric, text, sortBy: ({ runs }) => column.values[runs[0]] };
}

function metricColumn(column) {
  const value = ({ runs }) => {
    const known = runs.map((run) => column.values[run]).filter((each) => each !== null);
    return known.length ? mean(known) : null;
  };
  const title = column.name === "seconds/train" ? "train s" : column.name.replace("best/", "");
  return { key: column.name, title, label: column.name, numeric: true, text: (row) => shortNumber(value(row)), sortBy: value };
}

function mark(row) {
  return row ? MARKS[row.standing] : "";
}

/** Over seeds where there are two or more, else as a model on the same images. */
function gainOf(row, { comparison, metric }) {
  if (!row) return "";
  if (row.overSeeds !== null && row.overSeeds.gain.n > 1) return gainText(row.overSeeds.gain, metric);
  const model = comparison.models.find((each) => each.run === row.bestRun && row.runs.length === 1 && comparison.rows[0].runs.length === 1);
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

function sorted(rows, columns, view) {
  const sort = view.state.sort;
  const column = sort && columns.find(({ key }) => key === sort.column);
  if (!column) return rows;
  const order = sort.descending ? -1 : 1;
  const compare = (one, other) => {
    const [a, b] = [column.sortBy(one), column.sortBy(other)];
    if (a === null || b === null) return (a === null) - (b === null); // without a value, always last
    return order * (typeof a === "string" ? a.localeCompare(b) : a - b);
  };
  return [...rows].sort(compare);
}

function headerRow(columns, { state: chosen }, state) {
  return element("tr", {}, ...columns.map((column) => {
    if (column.open) return element("th", { scope: "col", "aria-label": column.label });
    const isSorted = chosen.sort?.column === column.key;
    const arrow = isSorted ? (chosen.sort.descending ? " ▾" : " ▴") : "";
    const next = !isSorted ? { column: column.key, descending: Boolean(column.numeric) } : chosen.sort.descending === Boolean(column.numeric) ? { column: column.key, descending: !chosen.sort.descending } : null;
    const sort = button(`${column.title}${arrow}`, () => state.set({ sort: next }), { "aria-label": `sort by ${column.label ?? column.title}`, "data-sort": column.key });
    return element("th", { scope: "col", class: column.numeric ? "n" : null, "aria-sort": isSorted ? (chosen.sort.descending ? "descending" : "ascending") : null }, sort);
  }));
}

function bodyRow(row, columns, view, state) {
  const isLit = row.runs.every((run) => view.lit.has(run));
  const standing = row.row?.standing ?? "none";
  const toggle = () => state.toggleLit(row.runs);
  const cells = columns.map((column, index) => {
    const text = column.text(row);
    const content = column.open ? opener(column.open(row), row, view, state) : index === 0 ? light(text, row, view, isLit) : text;
    return element("td", { class: column.numeric ? "n" : null, title: column.key === "" && row.row ? STANDINGS[standing] : null }, content);
  });
  return element("tr", { class: `${standing} ${isLit ? "lit" : ""}`, onclick: toggle, "data-runs": row.runs.join(" ") }, ...cells);
}

/** The first cell is a button, so that a row can be lit up by keyboard; a click on it is one on its row. */
function light(text, row, view, isLit) {
  const label = `light up ${row.label ?? view.data.runs.name[row.runs[0]]}`;
  return button(text || "·", () => {}, { class: "light", "aria-pressed": String(isLit), "aria-label": label });
}

function opener(run, row, view, state) {
  if (run === undefined) return "";
  const show = (event) => {
    event.stopPropagation();
    state.set({ pictures: "opened", opened: run });
    document.getElementById("pictures").closest("section").scrollIntoView();
  };
  return button("images", show, { class: "open", "aria-label": `images that ${row.label ?? view.data.runs.name[run]} gets wrong` });
}
