// Rows as people say them, and which row is the best so far: cnnexp/report/comparison/setting_words.py in the browser.

import { plural } from "#dom";
import { valueText } from "#wording";

export const MOST_SETTINGS = 3; // that are named in a headline

/** Which row is best on validation and its score, whether or not a verdict can be given; empty where that is no answer. */
export function bestSoFar({ rows, settings, metric, objective, refused, data }) {
  const [row] = rows;
  if (refused || objective === null || rows.length === 1 || row.learned === 0) return "";
  const who = named(settings, row) || shortText(data.runs.name[row.bestRun]);
  const runs = row.runs.length;
  const learned = row.learned === runs ? "" : `, ${row.learned} of ${plural(runs, "run")} learned`;
  const why = `best ${objective.name.replace("best/", "")}, ${plural(row.score.n, "seed")}${learned}`;
  return `Best so far: ${who}, with ${metric.name} ${valueText(row.score, metric)} (${why}).`;
}

/** The settings of a row in words: dropout 0.3, batch size 16; of more than three, those in which it is not as most are. */
export function rowWords({ settings, rows, data }, row) {
  if (settings.length > MOST_SETTINGS) {
    const own = settings.filter((setting) => !isUsual(rows, setting, row));
    if (own.length > MOST_SETTINGS) return `one of ${rows.length} settings`;
    return named(own, row) || "the usual value of each setting";
  }
  return named(settings, row) || shortText(data.runs.name[row.bestRun]);
}

/** Whether more than half of the rows have the level that this one has. */
function isUsual(rows, { column }, row) {
  const level = ({ runs }) => column.values[runs[0]];
  return 2 * rows.filter((other) => level(other) === level(row)).length > rows.length;
}

function named(settings, row) {
  return settings.map(({ column }) => `${column.words} ${column.said[column.values[row.runs[0]]]}`).join(", ");
}

function shortText(text) {
  const joined = text.trim().split(/\s+/).join(" ");
  return joined.length <= 24 ? joined : `${joined.slice(0, 15)}…${joined.slice(-8)}`;
}
