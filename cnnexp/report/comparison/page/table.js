// The table: one row a combination of settings (folds its seeds) or one row a run.

import { endings, groupColumns, runColumns } from "#columns";
import { theme } from "#charts";
import { button, comeTo, element, plural } from "#dom";
import { colorOf, hasRowColors } from "#marks";
import { STANDINGS } from "#wording";
import { isFolded } from "#width";

const SHOWN = 200; // rows that are in the document at once

export function tableView(data, state) {
  const head = element("thead");
  const body = element("tbody");
  const caption = element("caption", { class: "quiet" });
  const more = element("p", { class: "quiet" });
  const node = element(
    "div",
    {},
    element(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "table of settings" },
      element("table", { class: "runs" }, caption, head, body),
    ),
    more,
  );
  let shown = SHOWN;
  const update = (view) => {
    const all = view.state.grouped ? groupColumns(view) : runColumns(view);
    const columns = isFolded() && view.settings.length ? narrowed(all, view) : all;
    const colors = theme();
    const isColored = view.state.grouped && hasRowColors(view, colors);
    const rows = sorted(view.state.grouped ? view.groups : view.runs.map((run) => ({ runs: [run] })), columns, view);
    head.replaceChildren(headerRow(columns, view, state));
    body.replaceChildren(
      ...rows.slice(0, shown).map((row) => bodyRow(row, columns, view, state, isColored ? colorOf(row, colors) : null)),
    );
    caption.textContent = `${plural(rows.length, view.state.grouped ? "combination of settings" : "run", view.state.grouped ? "combinations of settings" : undefined)} of ${plural(view.runs.length, "run")}`;
    more.replaceChildren();
    if (rows.length > shown) {
      more.append(
        `${rows.length - shown} more rows. `,
        button("Show all", () => {
          shown = rows.length;
          update(view);
        }),
      );
    }
  };
  return { node, update };
}

/** Columns for a narrow window: the settings and how their runs ended in one column that stays, then scores, then all else. */
function narrowed(columns, view) {
  const names = new Set(view.settings.map(({ column }) => column.name));
  const results = new Set(["score", "objective", view.metric.name, view.comparison?.objective?.name]);
  const setting = {
    key: "setting",
    title: "setting",
    stays: true,
    text: ({ runs }) =>
      view.settings.map(({ column }) => `${column.short} ${column.texts[column.values[runs[0]]]}`).join(", "),
    warning: ({ runs }) => endings(view.data, runs),
    sortBy: ({ runs }) => view.settings.map(({ column }) => column.texts[column.values[runs[0]]]).join(" "),
  };
  const others = columns.filter(({ key }) => key !== "" && !names.has(key));
  const isResult = ({ key }) => results.has(key);
  return [
    ...columns.filter(({ key }) => key === ""),
    setting,
    ...others.filter(isResult).reverse(), // the compared metric first
    ...others.filter((column) => !isResult(column)),
  ];
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
  return element(
    "tr",
    {},
    ...columns.map((column) => {
      if (column.open) return element("th", { scope: "col", "aria-label": column.label });
      const isSorted = chosen.sort?.column === column.key;
      const arrow = isSorted ? (chosen.sort.descending ? " ▾" : " ▴") : "";
      const next = !isSorted
        ? { column: column.key, descending: Boolean(column.numeric) }
        : chosen.sort.descending === Boolean(column.numeric)
          ? { column: column.key, descending: !chosen.sort.descending }
          : null;
      const sort = button(`${column.title}${arrow}`, () => state.set({ sort: next }), {
        "aria-label": `sort by ${column.label ?? column.title}`,
        "data-sort": column.key,
      });
      return element(
        "th",
        {
          scope: "col",
          class: kindOf(column),
          "aria-sort": isSorted ? (chosen.sort.descending ? "descending" : "ascending") : null,
        },
        sort,
      );
    }),
  );
}

/** A row; `color` is that of its points and lines in the charts, null where there are more rows than colours. */
function bodyRow(row, columns, view, state, color) {
  const isLit = row.runs.every((run) => view.lit.has(run));
  const standing = row.row?.standing ?? "none";
  const toggle = () => state.toggleLit(row.runs);
  const cells = columns.map((column, index) => {
    const text = column.text(row);
    const content = column.open
      ? opener(column.open(row), row, view, state)
      : index === 0
        ? light(text, row, view, isLit)
        : text;
    return element(
      "td",
      { class: kindOf(column), title: column.key === "" && row.row ? STANDINGS[standing] : null },
      ...(index === 0 && color ? [element("i", { class: "swatch", style: `background:${color}` })] : []),
      content,
      ...(column.warning?.(row) ? [element("b", { class: "warning" }, column.warning(row))] : []),
    );
  });
  return element(
    "tr",
    { class: `${standing} ${isLit ? "lit" : ""}`, onclick: toggle, "data-runs": row.runs.join(" ") },
    ...cells,
  );
}

function kindOf({ numeric, stays }) {
  if (stays) return "stays";
  return numeric ? "n" : null;
}

/** The first cell is a button, so that a row can be marked by keyboard; a click on it is one on its row. */
function light(text, row, view, isLit) {
  const label = `mark ${row.label ?? view.data.runs.name[row.runs[0]]}`;
  return button(text || "·", () => {}, { class: "light", "aria-pressed": String(isLit), "aria-label": label });
}

function opener(run, row, view, state) {
  if (run === undefined) return "";
  const show = (event) => {
    event.stopPropagation();
    state.set({ pictures: "opened", opened: run });
    comeTo(document.getElementById("pictures").closest("section"));
  };
  return button("images", show, {
    class: "open",
    "aria-label": `images that ${row.label ?? view.data.runs.name[run]} gets wrong`,
  });
}
