// The comparison of any choice of runs: cnnexp/comparison/compare.py and same_images.py in the browser.
// tests/test_comparison_page_statistics.py compares it with the Python on random tables.

import { bySeed, configurations, varyingSettings } from "#design";
import { byLevel, counter } from "#endings";
import { corrected, effectsOf, withPValue } from "#effects";
import { failureInteractions, scoreInteractions } from "#interactions";
import { LEFT_OUT } from "#selection";
import { adjustedPValues, bothWays, pairedDifferences, scoresOf, signOf } from "#seeds";
import { accuracyDifference, holm, mcNemarMidP, mean, meanInterval } from "#statistics";
import { finished } from "#steps";

const LEVEL = 0.04;
const STRICTER = 4; // times as small a p for rows where no effect of several settings is more than chance
const MODELS_COMPARED = 12;

/** Compare `runs` (indices) in a metric, by the settings in `by`; null where none of them has it. */
export function compare(data, runs, metricName, by = []) {
  return finished(comparing(data, runs, metricName, by));
}

/** The same in steps: a generator that returns the comparison. */
export function* comparing(data, runs, metricName, by = []) {
  const metric = data.metricNamed.get(metricName);
  const objective = validationObjective(data, runs);
  const needed = [metric, ...(objective === null ? [] : [data.metricNamed.get("best/val_loss")])];
  const usable = runs.filter(
    (run) => !LEFT_OUT.has(data.runs.status[run]) && needed.every((column) => column && column.values[run] !== null),
  );
  if (usable.length === 0) return null;
  const settings = varyingSettings(data, usable, by);
  const refused = new Set(usable.map((run) => data.runs.images[run])).size > 1;
  const learned = new Set(usable.filter((run) => data.runs.learned_nothing[run] === ""));
  const withoutScore = placed(
    runs.filter((run) => !usable.includes(run)),
    usable,
    settings,
  );
  const diverged = withoutScore.filter((run) => data.runs.status[run] === "diverged");
  const rows = ranked(data, configurations(usable, settings), settings, objective, diverged);
  const varying = varyingSettings(data, usable);
  yield;
  const found = [];
  for (const setting of settings) found.push(...(yield* effectsOf(data, usable, setting, varying, metric, learned)));
  let effects = corrected(found);
  const scores = rows.map((row) => scoresOf(data, row.runs, metric, learned));
  const adjusted = yield* adjustedPValues(scores, objective !== null);
  let overSeeds = scores.map((own, index) => {
    if (refused || index === 0) return [null, null];
    return pairedDifferences(bothWays(own, scores[0]), metric, adjusted.get(`0 ${index}`) ?? null);
  });
  const together = refused
    ? []
    : yield* scoreInteractions(
        data,
        usable.filter((run) => learned.has(run)),
        settings,
        varying,
        metric,
      );
  ({ overSeeds, effects } = controlErrorRate(overSeeds, effects, together, varying, rows, adjusted));
  const best = rows.map((row) => bestRun(data, row, objective));
  const both = [...usable, ...withoutScore];
  const tried = { runs: both, settings: varyingSettings(data, both, by) };
  const counted = counter(data, usable);
  yield;
  const models = refused || data.running !== null ? [] : compareModels(data, best, metric);
  if (data.running !== null) overSeeds = overSeeds.map(() => [null, null]); // no verdict before the end of a sweep
  const failures = yield* failureInteractions(tried, counted);
  return {
    data,
    metric,
    objective,
    settings,
    varying,
    refused,
    usable,
    tried,
    counted,
    byLevel: byLevel(tried, counted),
    failureInteractions: failures,
    scoreInteractions: together,
    effects: effects.map((effect) => ({ ...effect, standing: standingOf(effect.difference) })),
    models,
    rows: rows.map((row, index) =>
      rowOf(data, row, index, { metric, objective, learned, refused, best, overSeeds, models, rows }),
    ),
  };
}

function rowOf(data, row, index, { metric, objective, learned, refused, best, overSeeds, models, rows }) {
  const thatLearned = row.runs.filter((run) => learned.has(run));
  const counted = thatLearned.length ? thatLearned : row.runs;
  const [claimed, overAllSeeds] = overSeeds[index];
  const estimate = (runs, column) =>
    column && meanInterval([...bySeed(data, runs, column.values).values()], column.low, column.high);
  return {
    ...row,
    bestRun: best[index],
    learned: thatLearned.length,
    seeds: bySeed(data, row.runs, metric.values).size,
    score: estimate(counted, metric),
    scoreAll: estimate(row.runs, metric),
    objective: estimate(counted, objective),
    objectiveAll: estimate(row.runs, objective),
    overSeeds: claimed,
    overAllSeeds,
    standing: index === 0 && !refused ? "reference" : standingOfRow(claimed, row, models, rows[0].runs.length === 1),
  };
}

/** Those runs without a score whose combination of settings is recorded. */
function placed(leftOut, usable, settings) {
  const recorded = settings.filter(({ column }) => !usable.some((run) => column.missing.includes(run)));
  return leftOut.filter((run) => recorded.every(({ column }) => !column.missing.includes(run)));
}

/** What rows are ranked by: the validation number that training watched. */
function validationObjective(data, runs) {
  const has = (name) => runs.some((run) => data.metricNamed.get(name)?.values[run] != null);
  const all = (name) => runs.every((run) => data.metricNamed.get(name)?.values[run] != null);
  if (!has("best/val_loss") && !has("best/val_accuracy")) return null;
  const watched = new Set(runs.map((run) => data.runs.monitor[run]).filter(Boolean));
  const preferred = watched.size === 1 && watched.has("val/accuracy") ? ["best/val_accuracy"] : [];
  const name = [...preferred, "best/val_loss", "best/val_accuracy"].find(all) ?? "best/val_loss";
  return data.metricNamed.get(name) ?? null;
}

/** Best mean over seeds on validation first; a run that diverged counts like the worst one that finished. */
function ranked(data, rows, settings, objective, diverged) {
  if (objective === null) {
    return [...rows].sort((one, other) => {
      for (const { column } of settings) {
        const difference = column.values[one.runs[0]] - column.values[other.runs[0]];
        if (difference !== 0) return difference;
      }
      return 0;
    });
  }
  const cost = (value) => -signOf(objective) * value;
  const worst = Math.max(...rows.flatMap((row) => row.runs.map((run) => cost(objective.values[run]))));
  const isOf = (run, row) => settings.every(({ column }) => column.values[run] === column.values[row.runs[0]]);
  const worse = (row) => {
    const finished = [...bySeed(data, row.runs, objective.values).values()].map(cost);
    const all = [...finished, ...diverged.filter((run) => isOf(run, row)).map(() => worst)];
    return Number(mean(all).toPrecision(12)); // equal means are equal in whatever order they were added
  };
  return rows
    .map((row) => [worse(row), row])
    .sort((one, other) => one[0] - other[0])
    .map(([, row]) => row);
}

function bestRun(data, row, objective) {
  if (objective === null) {
    return row.runs.reduce((best, run) => (data.runs.seed[run] < data.runs.seed[best] ? run : best));
  }
  const score = (run) => signOf(objective) * objective.values[run];
  return row.runs.reduce((best, run) => (score(run) > score(best) ? run : best));
}

/** Keep false claims below 5 % over rows and effects together when nothing differs. */
function controlErrorRate(overSeeds, effects, together, varying, rows, adjusted) {
  if (varying.length === 1 && effects.length) {
    const { column } = varying[0];
    const place = new Map(rows.map((row, index) => [column.values[row.runs[0]], index]));
    const same = effects.map((effect) => {
      const [low, high] = [place.get(effect.level), place.get(effect.against)].sort((one, other) => one - other);
      return withPValue(effect, adjusted.get(`${low} ${high}`) ?? effect.difference.pAdjusted);
    });
    return { overSeeds, effects: same };
  }
  const tested = effects.filter(({ difference }) => difference.pAdjusted !== null);
  if (tested.length && !together.length && tested.every(({ difference }) => difference.pAdjusted > LEVEL)) {
    const stricter = (difference) =>
      difference &&
      (difference.pAdjusted === null
        ? difference
        : { ...difference, pAdjusted: Math.min(1, STRICTER * difference.pAdjusted) });
    return { overSeeds: overSeeds.map(([claimed, ofAll]) => [stricter(claimed), ofAll]), effects };
  }
  return { overSeeds, effects };
}

/** better, worse, alike or untested. */
function standingOf(difference) {
  if (difference === null || difference.pAdjusted === null) return "untested";
  if (difference.pAdjusted > LEVEL || difference.contradicted) return "alike";
  return difference.gain.mean > 0 ? "better" : "worse";
}

function standingOfRow(overSeeds, row, models, singleReference) {
  if (overSeeds !== null && overSeeds.pAdjusted !== null) return standingOf(overSeeds);
  if (!singleReference || row.runs.length > 1) return "untested";
  const model = models.find((each) => each.run === row.runs[0]);
  return model === undefined ? "untested" : standingOf(model.difference);
}

/** The best run of each row against the first row's, by McNemar's test; only in accuracy, and where answers are here. */
function compareModels(data, best, metric) {
  const reference = data.answers?.of(best[0]);
  if (metric.name !== "test/accuracy" || reference === undefined) return [];
  const others = best.slice(1, MODELS_COMPARED).filter((run) => data.answers.of(run) !== undefined);
  const counts = others.map((run) => discordant(data.answers.of(run).right, reference.right));
  const adjusted = holm(counts.map(([onlyThis, onlyReference]) => mcNemarMidP(onlyThis, onlyReference)));
  return others.map((run, index) => {
    const [onlyThis, onlyReference] = counts[index];
    const gain = accuracyDifference(onlyThis, onlyReference, data.answers.images);
    const difference = {
      gain,
      p: mcNemarMidP(onlyThis, onlyReference),
      pAdjusted: adjusted[index],
      basis: "all",
      contradicted: false,
    };
    return { run, difference, standing: standingOf(difference), onlyThis, onlyReference };
  });
}

function discordant(one, other) {
  let onlyOne = 0;
  let onlyOther = 0;
  for (let image = 0; image < one.length; image++) {
    if (one[image] > other[image]) onlyOne += 1;
    else if (one[image] < other[image]) onlyOther += 1;
  }
  return [onlyOne, onlyOther];
}
