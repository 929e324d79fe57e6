// What was varied, and which runs are the same setting under another seed: cnnexp/comparison/design.py in the browser.

import { levelOf } from "#data";
import { plural } from "#dom";

/** The settings that differ between `runs`: [{column, confoundedWith, levels}]; with `by`, those alone, in its order. */
export function varyingSettings(data, runs, by = []) {
  const found = by.length
    ? by.map((name) => ({ column: data.settingNamed.get(name), confoundedWith: [] }))
    : leadingSettings(data, runs);
  const levels = (column) => [...new Set(runs.map((run) => column.values[run]))].sort((one, other) => one - other);
  return found.map((setting) => ({ ...setting, levels: levels(setting.column) }));
}

function leadingSettings(data, runs) {
  const varying = data.settings.filter((column) => new Set(runs.map((run) => column.values[run])).size > 1);
  const free = varying.filter((column) => !followsChoice(column, varying, runs));
  const leaders = [];
  const undotted = free.filter((column) => !column.name.includes("."));
  for (const column of [...undotted, ...free.filter((column) => column.name.includes("."))]) {
    const leader = leaders.find((other) => areConfounded(column, other.column, runs));
    if (leader === undefined) leaders.push({ column, confoundedWith: [] });
    else leader.confoundedWith.push(column.name);
  }
  return leaders;
}

/** Whether optimizer.momentum is constant within each optimizer that was compared. */
function followsChoice(column, varying, runs) {
  const choice = varying.find(
    (other) => other.name === column.name.slice(0, Math.max(0, column.name.lastIndexOf("."))),
  );
  if (choice === undefined) return false;
  const pairs = new Set(runs.map((run) => `${choice.values[run]} ${column.values[run]}`));
  return pairs.size === new Set(runs.map((run) => choice.values[run])).size;
}

/** Whether each level of one comes with exactly one level of the other; of numbers, only if they rise or fall together. */
function areConfounded(first, second, runs) {
  const pairs = new Map(runs.map((run) => [`${first.values[run]} ${second.values[run]}`, run]));
  const levels = (column) => new Set(runs.map((run) => column.values[run])).size;
  if (pairs.size !== levels(first) || pairs.size !== levels(second)) return false;
  const numbers = [...pairs.values()]
    .map((run) => [numberOf(levelOf(first, run)), numberOf(levelOf(second, run))])
    .filter(([one, other]) => one !== null && other !== null);
  if (numbers.length < pairs.size) return true;
  const inOrder = numbers.sort((one, other) => one[0] - other[0] || one[1] - other[1]).map(([, other]) => other);
  const rises = inOrder.every((value, index) => index === 0 || value >= inOrder[index - 1]);
  const falls = inOrder.every((value, index) => index === 0 || value <= inOrder[index - 1]);
  return rises || falls;
}

function numberOf(text) {
  const value = Number(text);
  return text.trim() === "" || Number.isNaN(value) ? null : value;
}

/** Fold the runs that agree in `settings`: [{key, runs}], in the order in which they first appear. */
export function configurations(runs, settings) {
  const folded = new Map();
  for (const run of runs) {
    const key = settings.map(({ column }) => column.values[run]).join(" ");
    if (!folded.has(key)) folded.set(key, { key, runs: [] });
    folded.get(key).runs.push(run);
  }
  return [...folded.values()];
}

/** The name of a row: its settings that differ, such as dropout=0.3, learning_rate=0.001. */
export function labelOf(data, settings, runs) {
  const parts = settings.map(({ column }) => `${column.short}=${column.texts[column.values[runs[0]]]}`);
  return parts.join(", ") || nameOfRuns(data, runs);
}

/** What several runs are called where no setting tells them from others, such as "2 seeds of baseline". */
export function nameOfRuns(data, runs) {
  const names = runs.map((run) => data.runs.name[run]);
  if (runs.length === 1) return names[0];
  const seeds = runs.map((run) => data.runs.seed[run]);
  const literally = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const stems = new Set(
    names.map((name, index) => name.replace(new RegExp(`[-_ ]*s(eed)?[-_=]?${literally(seeds[index])}$`), "")),
  );
  const what = plural(runs.length, new Set(seeds).size === runs.length ? "seed" : "run");
  return stems.size === 1 ? `${what} of ${[...stems][0]}` : `${what}, such as ${names[0]}`;
}

/** The mean of `values` over the runs of each seed. */
export function bySeed(data, runs, values) {
  const found = new Map();
  for (const run of runs) {
    const seed = data.runs.seed[run];
    if (!found.has(seed)) found.set(seed, []);
    found.get(seed).push(values[run]);
  }
  return new Map(
    [...found].map(([seed, group]) => [seed, group.reduce((sum, value) => sum + value, 0) / group.length]),
  );
}
