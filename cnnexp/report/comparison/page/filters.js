// What a reader can choose above the table: metric, grouping, search, columns, filters; and what is chosen now.

import { button, checkbox, choice, element, plural } from "#dom";
import { isNarrowed } from "#selection";
import { backToQuestions } from "#ways";

export function controls(data, state) {
  const bar = element("div", { class: "bar" });
  const search = element("input", {
    type: "search",
    placeholder: "adam seed=3",
    "aria-label": "search runs",
    value: state.values.search,
  });
  search.addEventListener("input", () => state.set({ search: search.value }));
  const chips = element("div", { class: "chips", role: "status" });
  const panels = element("div", { class: "panels" });
  const node = element("div", { class: "row" }, bar, panels, chips, backToQuestions());
  let built = null;
  const update = (view) => {
    if (search.value !== view.state.search) search.value = view.state.search;
    const key = JSON.stringify([
      view.state.metric,
      view.state.by,
      view.state.grouped,
      view.state.hideFailed,
      view.state.columns,
      view.state.filters,
    ]);
    if (built !== key) {
      const open = [...panels.querySelectorAll("details")].map((panel) => panel.open);
      bar.replaceChildren(...barOf(data, view, state, search));
      panels.replaceChildren(
        grouping(data, view, state),
        columnsPanel(data, view, state),
        filterPanel(data, view, state),
      );
      [...panels.querySelectorAll("details")].forEach((panel, index) => (panel.open = open[index] ?? false));
      built = key;
    }
    chips.replaceChildren(...chipsOf(data, view, state));
  };
  return { node, update };
}

function barOf(data, { state: chosen, metric }, state, search) {
  const metrics = data.metrics.map(({ name }) => [name, name]);
  return [
    choice("metric", metrics, metric.name, (name) => state.set({ metric: name })),
    element("label", { class: "choice" }, element("span", {}, "search"), search),
    checkbox("fold seeds", chosen.grouped, (grouped) => state.set({ grouped, sort: null })),
    checkbox("hide runs that learned nothing or failed", chosen.hideFailed, (hideFailed) => state.set({ hideFailed })),
  ];
}

function grouping(data, { settings }, state) {
  const chosen = new Set(settings.map(({ column }) => column.name));
  const toggle = (name, isOn) => {
    isOn ? chosen.add(name) : chosen.delete(name);
    const by = data.settings.map((setting) => setting.name).filter((each) => chosen.has(each));
    state.set({ by: by.length ? by : null, sort: null });
  };
  return panel(
    "Group by",
    data.settings.map(({ name }) => checkbox(name, chosen.has(name), (isOn) => toggle(name, isOn))),
  );
}

function columnsPanel(data, { state: chosen, settings, metric, comparison }, state) {
  const always = new Set([...settings.map(({ column }) => column), metric, comparison?.objective]);
  const shown = new Set(chosen.columns ?? ["seconds/train"]);
  const toggle = (name, isOn) => {
    isOn ? shown.add(name) : shown.delete(name);
    state.set({ columns: [...shown] });
  };
  const names = [...data.metrics, ...data.settings].filter((each) => !always.has(each)).map(({ name }) => name);
  return panel(
    "Columns",
    names.map((name) => checkbox(name, shown.has(name), (isOn) => toggle(name, isOn))),
  );
}

function filterPanel(data, { state: chosen, metric, comparison }, state) {
  const levels = data.settings.map((setting) =>
    setting.levels.length <= 12 ? levelsFilter(setting, chosen, state) : rangeOfLevels(setting, chosen, state),
  );
  const metrics = [...new Set([metric, comparison?.objective].filter(Boolean))].map((each) =>
    rangeOfMetric(each, chosen, state),
  );
  return panel("Filter", [...levels, ...metrics]);
}

function panel(title, content) {
  return element("details", {}, element("summary", {}, title), element("div", { class: "panel" }, ...content));
}

function levelsFilter(setting, chosen, state) {
  const own = chosen.filters[setting.name]?.levels ?? setting.levels;
  const boxes = setting.levels.map((level, index) =>
    checkbox(setting.texts[index], own.includes(level), (isOn) => {
      const kept = setting.levels.filter((each) => (each === level ? isOn : own.includes(each)));
      state.filter(setting.name, kept.length === setting.levels.length || kept.length === 0 ? null : { levels: kept });
    }),
  );
  return element("fieldset", {}, element("legend", {}, setting.name), ...boxes);
}

function rangeOfLevels(setting, chosen, state) {
  const own = chosen.filters[setting.name]?.levels.map(Number) ?? [];
  const change = (low, high) =>
    state.filter(
      setting.name,
      low === null && high === null
        ? null
        : {
            levels: setting.levels.filter(
              (level) => (low === null || Number(level) >= low) && (high === null || Number(level) <= high),
            ),
          },
    );
  return range(setting.name, own.length ? Math.min(...own) : null, own.length ? Math.max(...own) : null, change);
}

function rangeOfMetric(metric, chosen, state) {
  const [low, high] = chosen.filters[metric.name]?.ranges[0] ?? [null, null];
  const change = (from, to) =>
    state.filter(metric.name, from === null && to === null ? null : { ranges: [[from ?? -1e300, to ?? 1e300]] });
  return range(metric.name, low === -1e300 ? null : low, high === 1e300 ? null : high, change);
}

function range(name, low, high, changed) {
  const field = (label, value) =>
    element("input", { type: "number", step: "any", value, "aria-label": `${name} ${label}` });
  const [from, to] = [field("at least", low), field("at most", high)];
  const read = ({ value }) => (value === "" ? null : Number(value));
  for (const input of [from, to]) input.addEventListener("change", () => changed(read(from), read(to)));
  return element("fieldset", {}, element("legend", {}, name), element("span", { class: "range" }, from, "to", to));
}

function chipsOf(data, view, state) {
  const chips = Object.entries(view.state.filters).map(([name, filter]) =>
    chip(`${name}: ${filterText(data, name, filter)}`, () => state.filter(name, null)),
  );
  if (view.lit.size) chips.push(chip(`marked: ${plural(view.lit.size, "run")}`, () => state.set({ lit: [] })));
  if (view.state.search) chips.push(chip(`search: ${view.state.search}`, () => state.set({ search: "" })));
  const left = isNarrowed(data, view.state) ? [element("span", {}, `${view.runs.length} of ${data.count} runs`)] : [];
  return [...left, ...chips];
}

function filterText(data, name, filter) {
  const setting = data.settingNamed.get(name);
  if (setting) {
    const texts = filter.levels.map((level) => setting.texts[setting.levels.indexOf(level)]);
    return texts.length > 4 ? `${texts[0]} to ${texts.at(-1)}` : texts.join(", ");
  }
  const end = (value) => (Math.abs(value) >= 1e300 ? "" : Number(value.toPrecision(4)));
  return filter.ranges.map(([low, high]) => `${end(low)} to ${end(high)}`).join(", ");
}

function chip(text, remove) {
  return button(`${text} ×`, remove, { class: "chip", "aria-label": `remove ${text}` });
}
